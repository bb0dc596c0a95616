"""What a peer and its users say to each other: values only, without I/O.

Read first: `events` (what happens), `conversations` (with whom one talks), `errors` (what can go
wrong).
"""
