"""Hostile strangers: garbage, floods and silent connections, while two people go on chatting."""

import asyncio
import contextlib
import socket
from random import Random

from tests.cast.lines import BYE, CHANNEL_TAKEN, SAVED, WELCOME, arrived, mail, on_channel
from tests.cast.stage import Stage

DATAGRAMS = 6_000
CONNECTIONS = 1_200
ROUNDS = 20


def garbage(chance: Random) -> bytes:
    """Return an invalid datagram: any bytes, or a kind that exists and then any bytes; of any size
    up to the largest."""
    size = chance.choice((0, 1, 2, 17, 25, 100, 255, 256, 257, 600, 1_200, 1_201, 9_000, 60_000))
    return (bytes((chance.randrange(12),)) + chance.randbytes(size))[:size]


async def test_garbage_and_half_open_connections_while_a_chat_goes_on(stage: Stage) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    ports = [stage.port, stage.port_of("alice"), stage.port_of("bob")]
    with contextlib.ExitStack() as open_sockets:
        flood = asyncio.create_task(asyncio.to_thread(send_garbage, ports))
        connecting = asyncio.create_task(asyncio.to_thread(connect, stage.port, open_sockets))
        for number in range(ROUNDS):
            await alice.type(f"send bob there {number}", f"send_all all {number}")
            await bob.sees_all(f"alice: there {number}", on_channel("alice", f"all {number}"))
            await bob.type(f"send alice back {number}")
            await alice.sees_all(f"bob: back {number}", arrived("bob"), CHANNEL_TAKEN)
        await asyncio.gather(flood, connecting)
        carol = await stage.peer(
            "carol"
        )  # newcomers come in although the connections are still there
        await carol.sees(WELCOME)
        await carol.knows("alice", "bob")
        await bob.type("dereg bob")
        await bob.sees(BYE)
        await carol.knows(away=["bob"])
        await carol.type("send bob later")
        await carol.sees(SAVED)
        await bob.type("reg bob")
        await bob.sees(mail("carol", "later"))
    assert not registry.has_ended
    assert len(bob.shown(lambda line: line.startswith("alice: "))) == ROUNDS


def send_garbage(ports: list[int]) -> None:
    """Send garbage in a thread of its own, as fast as the kernel takes it."""
    chance = Random(20)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for count in range(DATAGRAMS):
            with contextlib.suppress(OSError):
                stranger.sendto(garbage(chance), ("127.0.0.1", ports[count % len(ports)]))


def connect(port: int, open_sockets: contextlib.ExitStack) -> None:
    """Open connections that stay open and send nothing, little, or something that is not a
    greeting."""
    chance = Random(21)
    openings = (
        b"",
        b"\x00",
        b"\xff\xff\xff\xff",
        chance.randbytes(24),
        chance.randbytes(5_000),
        b"GET / HTTP/1.1\r\n\r\n",
    )
    for count in range(CONNECTIONS):
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            if count < CONNECTIONS // 4:
                open_sockets.enter_context(connection)
                connection.sendall(openings[count % len(openings)])
            else:
                with connection:
                    connection.sendall(openings[count % len(openings)])


async def test_people_get_in_during_a_thousand_forged_greetings(stage: Stage) -> None:
    await stage.registry()
    hello = bytes((1,)) + bytes(255)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.setblocking(False)
        alice = await stage.peer("alice")
        for _ in range(5_000):
            with contextlib.suppress(OSError):
                stranger.sendto(hello, ("127.0.0.1", stage.port))
        await alice.sees(WELCOME)
        await alice.type("send alice alone")
        await alice.sees("alice: alone")
