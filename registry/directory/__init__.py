"""The table of names: who bears each, who is online, and how a name is changed."""
