"""Tests of the real program: processes, pipes, terminals, sockets and signals."""
