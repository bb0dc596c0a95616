"""What opens above the full screen: search, people, places, help, the desk.

Read first: `overlay` (what they share), `search` (a usual one), `desk` (the largest).
"""
