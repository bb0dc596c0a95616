"""Members of a web desk: people whose folders it keeps, sealed while they are not there.

Read first: `accounts` (who is there, and their nodes), `folders` (what is on the disk), `app` (the
pages to sign in, and of the account).
"""
