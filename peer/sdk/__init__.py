"""The SDK: a peer or a visitor as a program uses it.

Read first: `client` (our own peer), `remote` (a peer of another program), `visitor` (of a help
desk).
"""
