"""What a peer and its users say to each other: values only, without I/O.

Read first: `requests` (what may be asked, and the answers), `events` (what happens), `node` (who
carries requests out).
"""
