"""Tests of chatapp.peer.desk."""
