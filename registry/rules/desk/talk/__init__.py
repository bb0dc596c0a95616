"""What is kept of a talk at the help desk, while it lasts and for a while after.

Read first: `transcript` (its lines), `files` (what they bring), `past` (talks that are over).
"""
