"""Rooms and the channel: the groups, their lines in both directions, and their members.

Read first: `rooms` (the front), `group` (keys and the log), `lines` (those that come, and ours).
"""
