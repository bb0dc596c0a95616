"""A program that works through a running one."""
