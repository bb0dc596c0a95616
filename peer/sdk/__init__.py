"""The SDK: a peer or a visitor as a program uses it.

Read first: `client` (a peer, whichever program runs it), `past` (what was said), `visitor` (of a
help desk).
"""
