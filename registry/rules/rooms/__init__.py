"""The channel and the rooms.

Read first: `rooms` (all of them), `room` (one of them), `log` (its lines).
"""
