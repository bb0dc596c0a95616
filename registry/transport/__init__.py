"""What is between the registry and the network: links, sessions, and who may be heard."""
