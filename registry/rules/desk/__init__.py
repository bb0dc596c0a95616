"""The rules of the help desk.

Read first: `desk` (its parts), `visitors` (a visitor's requests), `operators` (an operator's
requests).
"""
