"""Tests of `peer.core.direct`."""
