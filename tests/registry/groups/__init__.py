"""Tests of `registry.groups`."""
