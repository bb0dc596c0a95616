"""Tests of docs/protocol.md: what it says is what the code does, and each test quotes the clause that it checks."""
