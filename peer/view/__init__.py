"""What a window shows, without I/O: conversations, their lines and marks, the status, the desk.

Read first: `view` (what a window asks and shows), `logbook` (its lines), `flow` (a prompt or a
pipe).
"""
