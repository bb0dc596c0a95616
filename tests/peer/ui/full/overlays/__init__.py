"""Tests of `peer.ui.full.overlays`."""
