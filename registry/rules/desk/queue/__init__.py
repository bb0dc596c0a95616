"""Who waits at the help desk, and who is next.

Read first: `queue` (the rules), `line` (the order), `visit` (one visitor).
"""
