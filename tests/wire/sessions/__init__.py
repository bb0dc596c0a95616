"""Tests of `wire.sessions`."""
