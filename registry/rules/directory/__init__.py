"""Who is where, for all kinds of rules: names, people, connections, signs of life.

Read first: `directory` (people and their rows), `table` (pages of rows), `connections` (links).
"""
