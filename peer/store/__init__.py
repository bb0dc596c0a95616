"""What lies behind `peer.history`: tables, how they are read at start, the search index, and what is let go."""
