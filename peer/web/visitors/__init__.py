"""The gateway for visitors: their sessions, their pages and the program that serves them."""
