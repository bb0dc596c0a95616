"""Tests of `peer.ui.full`."""
