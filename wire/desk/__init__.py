"""What both ends of the help desk have in common, without I/O.

Read first: `commands` (what an operator types), `texts` (what an operator reads), `focus` (for
whom it is meant).
"""
