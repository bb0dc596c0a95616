"""The engine of a registry: its state, and the rules in the order in which the disk confirms them.

Read first: `engine` (a request's way, and what waits for the disk), `core` (a registry on one
machine).
"""
