"""Files that survive a crash: the calls to the disk, and append-only journals."""
