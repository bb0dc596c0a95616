"""The faces of a peer: what is typed, what is shown, and nothing of how it travels."""
