"""What the registry keeps on disk: names, mail, group keys and lines, and the help desk's
visits."""
