"""The help desk at the registry: a waiting line for each queue, operators, and what they and their visitors say."""
