"""The way to the registry: registration, its handshake, and the link."""
