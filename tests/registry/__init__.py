"""Tests of the registry, a mirror of its package."""
