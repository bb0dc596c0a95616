"""One running peer: its keys, its sockets, its disk, around the core.

Read first: `local` (the open node), `driver` (datagrams and timers), `keystore` (the folder of a
name).
"""
