"""The bus of a cluster: how the edges of all nodes reach the one engine. Core NATS or a simulation
carries it.

Read first: `messages` (what is said), `remote_engine` (the edge's end), `remote_edge` (the
engine's).
"""
