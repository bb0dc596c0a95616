"""Direct messages: the delivery ladder, sealed mail, and the datagrams between two people."""
