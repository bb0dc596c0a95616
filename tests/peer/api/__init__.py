"""Tests of `peer.api`."""
