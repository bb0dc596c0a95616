"""The pages of visitors.

Read first: `app` (its routes), `session` (one visitor behind a browser), `pages` (what it looks
like).
"""
