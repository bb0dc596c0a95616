"""Tests of `registry.desk`; the files mirror the package."""
