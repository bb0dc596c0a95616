"""Tests of `peer.rpc`."""
