"""The parts between the registry and the network: links, sessions, and admission of unknown addresses."""
