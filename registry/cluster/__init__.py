"""A registry whose state is a stream of a NATS JetStream cluster, so that another one can go on
with it.

Read first: `lease` (which node keeps it), `jetstream` (the broker), `storage` (what the engine sees).
"""
