"""Looks at the servers of a cluster again and again, in the broker's thread: it asks each for its
greeting, and one of them for the copies of the streams."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chatapp.registry.cluster.health import Greeting, Health, HealthEvent, Look
from chatapp.registry.cluster.jetstream import JetStream
from chatapp.registry.cluster.settings import without_secrets
from chatapp.registry.cluster.stream.ledger import Stream

LOOK_SPAN: Final = 1.5
"""Seconds between two looks."""
GREETED_WITHIN: Final = 2.0
"""Seconds that a server has for its greeting."""
GREETING_MAX: Final = 65_536
"""Bytes of a greeting: anybody on the way may send one, as it is not encrypted."""
_INFO: Final = b"INFO "


class _Info(msgspec.Struct):
    """What matters in the first line of a server."""

    server_name: str
    jetstream: bool = False


_infos: Final = msgspec.json.Decoder(_Info)


async def greeting_of(url: str) -> Greeting | None:
    """Connect to a server and return its greeting; None if it has none in time."""
    parts = urlsplit(url)
    with suppress(OSError, ValueError, TimeoutError, msgspec.MsgspecError, RecursionError):
        async with asyncio.timeout(GREETED_WITHIN):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port, limit=GREETING_MAX
            )
            try:
                line = await reader.readline()
            finally:
                writer.transport.abort()
        if line.startswith(_INFO):
            info = _infos.decode(line[len(_INFO) :])
            return Greeting(info.server_name, info.jetstream)
    return None


async def watch(
    broker: JetStream,
    servers: Sequence[str],
    health: Health,
    tell: Callable[[HealthEvent], object],
) -> None:
    """Look for ever. `servers`: their addresses; `tell`: is called in the broker's thread."""
    while True:
        greetings = asyncio.gather(*map(greeting_of, servers))
        copies = asyncio.gather(*map(broker.copies_soon, Stream))
        look = Look(
            dict(zip(map(without_secrets, servers), await greetings, strict=True)),
            dict(zip(map(broker.stream, Stream), await copies, strict=True)),
        )
        for event in health.looked(look, now=time.monotonic()):
            tell(event)
        await asyncio.sleep(LOOK_SPAN)
