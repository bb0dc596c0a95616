"""Tests of `registry.cluster`."""
