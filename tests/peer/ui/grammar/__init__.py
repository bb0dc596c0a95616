"""Tests of `peer.ui.grammar`."""
