"""Three nats-servers and two registries on one machine."""
