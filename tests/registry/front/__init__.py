"""Tests of `registry.front`."""
