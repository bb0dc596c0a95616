"""The bench: limits, rivals and ChatApp measured in turn within one run; what counts is the ratio."""
