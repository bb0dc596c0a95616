"""What a user may type: from a line of text to a request, without I/O.

Read first: `commands` (the table of all commands), `parser` (a line becomes a request), `meanings`
(what else a line may mean).
"""
