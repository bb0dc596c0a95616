"""Tests that docs/protocol.md and the code agree; each quotes the clause that it checks."""
