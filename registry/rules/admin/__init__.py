"""What an administrator may ask of a running registry.

Read first: `messages` (requests and answers), `service` (the rules).
"""
