"""People come in, are here, take other names and go.

Read first: `registration` (a newcomer), `presence` (who is online), `access` (invitations and bans).
"""
