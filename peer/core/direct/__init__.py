"""Direct messages: the delivery ladder, sealed mail, and the datagrams between two people.

Read first: `direct` (the front), `outbox` (the ladder), `arrivals` (what comes by datagrams).
"""
