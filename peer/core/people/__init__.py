"""The people whom a node knows: the registry's table, contacts, and the conversation with each of
them."""
