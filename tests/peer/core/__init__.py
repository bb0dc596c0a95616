"""Tests of `peer.core`."""
