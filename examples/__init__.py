"""Examples: the main task as a play of real processes, and a bot on the SDK."""
