"""Benchmarks: limits, rivals and ChatApp measured in turn within one run; the result is the
ratio."""
