"""The messages of one person, on their own disk."""
