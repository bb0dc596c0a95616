"""The SDK: a peer or a visitor as a program uses it.

Read first: `client` (our own peer), `receipts` (what becomes of a message), `remote` (a peer of
another program).
"""
