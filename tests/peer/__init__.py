"""Tests of `peer`."""
