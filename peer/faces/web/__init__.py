"""Pages in a browser: for visitors of the help desk, and for people, operators among them.

Read first: `server` (how it runs), `guard` (what a stranger may cost), `page` (what all pages
share).
"""
