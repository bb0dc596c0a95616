"""The page of an operator.

Read first: `app` (its routes), `desk` (the operator behind it), `pages` (what it looks like).
"""
