"""Tests of `registry.cluster.stream`."""
