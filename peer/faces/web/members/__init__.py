"""A person's own node in a browser.

Read first: `app` (its routes), `window` (one window of a browser), `pages` (what it looks like).
"""
