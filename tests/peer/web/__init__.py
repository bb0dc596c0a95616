"""Tests of `peer.web`."""
