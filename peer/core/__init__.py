"""One person's node as a core without I/O: bytes, time and chance come in; bytes, events and one
deadline go out."""
