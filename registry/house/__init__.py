"""The half of a registry that keeps the state and decides."""
