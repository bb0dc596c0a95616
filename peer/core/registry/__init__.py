"""The way to the registry: registration, its handshake, and the link.

Read first: `registration` (a peer's front), `session` (the state machine), `connection` (session
and link together).
"""
