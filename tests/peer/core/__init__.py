"""Tests of peer.core."""
