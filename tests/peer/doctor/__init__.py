"""Tests of `peer.doctor`."""
