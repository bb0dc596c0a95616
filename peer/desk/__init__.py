"""A visitor of a help desk: a program that asks who one is and what it is about, and waits for one's turn."""
