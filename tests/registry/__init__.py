"""Tests of `registry`; the folders mirror the package."""
