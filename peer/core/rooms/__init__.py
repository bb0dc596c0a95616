"""Rooms and the channel: groups, what is said in them, and who is in them."""
