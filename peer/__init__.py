"""One person's node: what is known, sent, kept and shown at one end of the conversation."""
