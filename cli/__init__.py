"""What the command line is made of: what is checked in it, what a program is started with, commands with words of their own."""
