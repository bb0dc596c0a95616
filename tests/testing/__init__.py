"""Tests of `chatapp.testing`."""
