"""The administrator's requests: their shapes, the rules that answer them, and the socket through which they come."""
