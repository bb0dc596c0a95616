"""The help desk on an operator's page, which `members` serves.

Read first: `desk` (the operator behind it), `app` (its routes), `pages` (what it looks like).
"""
