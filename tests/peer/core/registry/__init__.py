"""Tests of `peer.core.registry`."""
