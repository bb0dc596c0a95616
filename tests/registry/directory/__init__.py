"""Tests of `registry.directory`."""
