"""Tests of `peer.core.people`."""
