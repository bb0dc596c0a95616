"""Tests of reliable delivery, all in virtual time."""
