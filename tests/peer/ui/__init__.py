"""Tests of chatapp.peer.ui."""
