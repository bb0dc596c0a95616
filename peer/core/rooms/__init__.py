"""Rooms and the channel: the groups, their lines in both directions, and their members."""
