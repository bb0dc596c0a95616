"""The web desk: pages for visitors and operators of the help desk.

Read first: `server` (how it runs), `guard` (what a stranger may cost), `page` (what all pages
share).
"""
