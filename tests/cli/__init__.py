"""Tests of the command line, the packaging and the project's own tools."""
