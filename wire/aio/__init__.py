"""The only part of `wire` that touches asyncio and sockets: it moves bytes and decides nothing.

Read first: `datagram` (UDP), `link` (TCP), `machine` (the clocks and the chance of a program).
"""
