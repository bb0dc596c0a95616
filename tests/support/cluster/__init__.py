"""A cluster in the simulated network: three nodes, the broker that keeps their stream, and the bus
between them."""
