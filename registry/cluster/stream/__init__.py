"""A registry's state as a stream of sealed messages, over a ledger that any broker may be.

Read first: `store` (writing and taking over), `bundles` (the bytes), `ledger` (what a broker can do).
"""
