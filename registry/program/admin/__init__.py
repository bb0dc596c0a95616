"""The administration of a running registry, over a socket in its folder.

Read first: `listener` (the socket), `control` (who may ask), `client` (the other end, for `ChatApp
admin`).
"""
