"""What a window shows, without I/O: conversations, their lines and marks, the status, the desk.

Read first: `view` (events and typed lines of any window), `screen` (a window that shows
conversations), `log` (the lines of one).
"""
