"""Tests of the registry's store."""
