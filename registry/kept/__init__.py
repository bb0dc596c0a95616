"""Sealed files that a registry keeps for people who are away (clause 6.23).

Read first: `shelf` (whose files, and which one goes), `disk` (one file), `keeper` (who gives and
fetches them).
"""
