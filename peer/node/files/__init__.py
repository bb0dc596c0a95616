"""Files on their way between this program and others: disk, connections, and who asks whom.

Read first: `files` (the front), `fetching` (one file), `serving` (ours, to others).
"""
