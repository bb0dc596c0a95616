"""Tests of `peer.history`."""
