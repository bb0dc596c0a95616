"""Tests of `registry.telemetry`."""
