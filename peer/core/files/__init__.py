"""Files that are offered and fetched: what is known of them, and what is asked of whom (clauses 6.16 to 6.19).

Read first: `book` (which files there are), `fetching` (one on its way), `holders` (whom to ask).
"""
