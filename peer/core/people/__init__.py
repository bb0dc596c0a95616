"""The people that a node knows: the table of the registry, contacts, and the conversation with each."""
