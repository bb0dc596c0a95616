"""A registry's state as a stream of sealed messages, over a ledger that any broker may be."""
