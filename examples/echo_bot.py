"""A bot that sends every direct message back to its sender.

python -m examples.echo_bot <name> <server-ip> <server-port>

It uses the SDK alone. Two such bots that write to each other never stop, so a real bot should have something better to
say.
"""

import asyncio
import signal
import sys
from collections.abc import Iterator

from chatapp import ChatAppError, NotAdmitted, NotLetIn, Peer, events
from chatapp.wire.address import parse_port


async def echo(name: str, server: str, port: int) -> int:
    """Run the bot until Ctrl-C, or until the registry refuses it. Returns the exit status."""
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    try:
        async with Peer(name, (server, port)) as peer:
            async for event in peer.events():
                if isinstance(event, events.AdmissionRefused):  # the registry no longer admits us
                    raise NotAdmitted(event.reason)
                for said in messages_in(event):
                    if said.sender != peer.name and said.doubt is None:
                        await peer.send(said.sender, said.text)
    except NotLetIn as refusal:
        print(refusal, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        pass  # Ctrl-C; leaving the `async with` has closed the peer
    return 0


def messages_in(event: events.Event) -> Iterator[events.DirectReceived]:
    """Yield the direct messages of an event: a new one, or those that waited while we were away."""
    match event:
        case events.DirectReceived():
            yield event
        case events.MailReturned(lines=lines):
            yield from (line for line in lines if isinstance(line, events.DirectReceived))
        case _:
            pass


def main(words: list[str]) -> int:
    """Check the command line, then run the bot."""
    if len(words) != 3:
        print("usage: python -m examples.echo_bot <name> <server-ip> <server-port>", file=sys.stderr)
        return 2
    name, server, port = words
    try:
        return asyncio.run(echo(name, server, parse_port(port, "server-port")))
    except ChatAppError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
