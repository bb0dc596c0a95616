"""Tests of `registry.store`."""
