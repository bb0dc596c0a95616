"""The bus of a cluster: how the edges of all nodes reach the one engine. Core NATS or a simulation
carries it."""
