"""What tests stand on: the simulated network, and the real program driven through pipes."""
