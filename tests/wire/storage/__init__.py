"""The journal and the disk below it."""
