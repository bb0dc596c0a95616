"""The registry: introduces people to each other and keeps mail for those who are away."""
