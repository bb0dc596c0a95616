"""The help desk, seen from a peer: as an operator, and as a visitor.

Read first: `visit` (a visitor's way through the desk), `visit_talk` (what is said there),
`operator` (the other side).
"""
