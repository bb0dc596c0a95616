"""Typed lines: the commands, their arguments, the parser, completion and help."""
