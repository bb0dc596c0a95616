"""Support for tests: the simulated network, and the real program driven through pipes."""
