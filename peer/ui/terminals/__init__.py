"""Where lines are typed and shown: a pipe, or a terminal."""
