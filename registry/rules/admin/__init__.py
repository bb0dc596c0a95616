"""What an administrator may ask of a running registry (`admin_requests`).

Read first: `service` (what its files can answer as well), `live` (all the rest).
"""
