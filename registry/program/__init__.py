"""What runs a registry: settings, sockets, console, administration.

Read first: `server` (a registry from start to end), `driver` (entries to the disk), `settings`
(what an owner may choose).
"""
