"""Screens above the conversation, and the desk pane: each takes values of the SDK and knows nothing of the app."""
