"""Tests of peer.desk."""
