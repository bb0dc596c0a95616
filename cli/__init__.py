"""What the command line is made of: checks, what a program is started with, and commands with words of their own."""
