"""Secure sessions between two programs that know each other by identity key (clauses 5 and 9)."""
