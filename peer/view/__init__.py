"""What a window shows, without I/O: conversations, their lines and marks, the status, the desk.

Read first: `session` (one window of the full screen), `logbook` (its lines), `status` (where typed
text goes).
"""
