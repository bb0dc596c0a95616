"""Tests that docs/reference/protocol.md and the code agree; each quotes the clause that it checks."""
