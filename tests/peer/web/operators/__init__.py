"""Tests of `peer.web.operators`."""
