"""Tests of `peer.ui`."""
