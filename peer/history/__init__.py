"""What a person said and read, on their own disk."""
