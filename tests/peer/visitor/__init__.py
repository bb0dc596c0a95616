"""Tests of `peer.visitor`."""
