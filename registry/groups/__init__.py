"""Groups: the log of each, the channel, and rooms."""
