"""Direct messages: the ladder that each climbs, its sealed mail, and the datagrams that carry it."""
