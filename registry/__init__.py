"""The registry: introduces people to each other and keeps mail for those who are away.

Read first: `program.server` (what runs), `engine.engine` (what keeps the state), `rules.hub` (what
decides).
"""
