"""What a user may type: from a line of text to an intent, without I/O.

Read first: `commands` (the table of all commands), `parser` (a line becomes an intent), `intents`
(what a user wants).
"""
