"""Tests of `peer.core.rooms`."""
