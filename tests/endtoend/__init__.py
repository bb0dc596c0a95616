"""End-to-end tests of the real program: processes, pipes, terminals, sockets and signals."""
