"""The people whom a node knows: the registry's table, their names, and trust in their keys.

Read first: `people` (the front), `table` (rows, and names that are looked up).
"""
