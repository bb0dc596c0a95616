"""What the registry keeps on disk: names, mail, group keys and lines, and the help desk's visits.

Read first: `entries` (what is written), `state` (what it adds up to), `recovery` (how a start reads
it).
"""
