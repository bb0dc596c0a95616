"""Whole worlds in virtual time: a registry and peers under faults, with the promise checked after
every step."""
