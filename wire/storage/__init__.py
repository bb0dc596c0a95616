"""Files that survive a crash.

Read first: `journal` (append-only records), `disk` (every call to the system).
"""
