"""Whole worlds in virtual time: a registry and peers in bad weather, with the promise checked after every step."""
