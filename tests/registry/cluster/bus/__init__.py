"""Tests of `registry.cluster.bus`."""
