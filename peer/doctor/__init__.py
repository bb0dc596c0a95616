"""The doctor: finds out what keeps a peer from its registry, from a person or from its own disk."""
