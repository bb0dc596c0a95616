"""Every sentence that a user of a peer or a visitor reads, without I/O.

Read first: `events` (what happened), `answers` (what came of a command), `formatting` (lines and
their kinds).
"""
