"""Three nats-servers and three registries on one machine."""
