"""Tests of peer.ui."""
