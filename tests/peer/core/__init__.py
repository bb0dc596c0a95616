"""Tests of chatapp.peer.core."""
