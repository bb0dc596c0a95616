"""A visitor of the help desk: a core without I/O, and the client that drives it."""
