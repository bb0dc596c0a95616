"""This package is about the help desk at the registry: one line of visitors a queue, operators, and what they say.

It knows requests, effects and records.
"""
