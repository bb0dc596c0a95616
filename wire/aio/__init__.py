"""The only part of `wire` that touches asyncio and sockets: it moves bytes and decides nothing."""
