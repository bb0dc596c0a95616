"""One open peer, run by this program or by another one.

Read first: `local` (keys, sockets and disk around the core), `answers` (what is done for each
request), `attached` (a node that another program runs).
"""
