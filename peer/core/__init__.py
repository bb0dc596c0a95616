"""One person's node as a core without I/O: bytes, time and chance come in; bytes, events and one
deadline go out.

Read first: `core` (the hub), `context` (what all parts share, and the ports between the folders),
`records` (what is stored).
"""
