"""What the command line is made of beside its two modes: what is checked in it, and commands with words of their own."""
