"""The only part of `wire` that touches asyncio and sockets: thin shells that pump bytes."""
