"""Tests of the help desk at the registry, a mirror of its package."""
