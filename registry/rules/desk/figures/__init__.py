"""The figures of the help desk: waiting times, ratings, what a day was like.

Read first: `statistics` (what is counted), `estimate` (how long one will wait).
"""
