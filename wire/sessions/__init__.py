"""Secure sessions between two programs that know each other by identity key (clauses 5 and 9).

Read first: `opening` (the handshake, and how a session begins), `session` (one that is open).
"""
