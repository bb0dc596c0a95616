"""Who is here: names, keys, the table, presence, and who may come in.

Read first: `directory` (the table and its changes), `registration` (a newcomer), `access`
(invitations and bans).
"""
