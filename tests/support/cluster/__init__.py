"""A cluster in the simulated network: three nodes, the engine that keeps their stream, and the bus between them."""
