"""What a peer and its users say to each other: values only, without I/O.

Read first: `requests` (what may be asked, the answers, and who carries it out), `events` (what
happens).
"""
