"""Groups: their logs, the channel, and rooms."""
