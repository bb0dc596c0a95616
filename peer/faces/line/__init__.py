"""The line face: prompts on a terminal, lines through a pipe, and the commands that end by
themselves.

Read first: `main` (how a face starts), `shell` (the loop of one window), `tty` (lines above a
prompt).
"""
