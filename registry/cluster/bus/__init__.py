"""The bus of a cluster: how the fronts of all nodes reach the one house. Core NATS or a simulation carries it."""
