"""One person's node: what is known, sent, kept and shown at one end of the conversation.

Read first: `sdk.client` (what programs use), `node.local` (what runs), `core` (what decides).
"""
