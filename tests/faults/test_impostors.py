"""Impersonation: with the other person online, after a restart, and by forged datagrams."""

import asyncio
import socket

from chatapp.wire.codec import Kind
from chatapp.wire.messages.registration import RefusalReason, Refused
from tests.cast.lines import LOST, WELCOME, received, taken
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.size import dose
from tests.faults.visitor import Visitor

LIVES = dose(2, 10)


async def test_a_name_stays_its_owners_over_restarts_of_the_registry(
    stage: Stage, figure: Note
) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    for life in range(LIVES):
        impostor = await stage.peer("bob", home=f"impostor{life}")
        await impostor.sees(taken("bob"))
        assert await impostor.ends() == 1
        lookalike = Visitor(stage.port, "b\u043eb", seed=f"lookalike {life}")  # a Cyrillic o
        answer = await lookalike.register()
        assert isinstance(answer, Refused) and answer.reason is RefusalReason.NAME_TAKEN
        lookalike.close()
        await alice.type(f"send bob in life {life}")
        await bob.sees(f"alice: in life {life}")
        await alice.sees(received("bob"))
        await registry.kill()
        registry = await stage.registry()
        await asyncio.gather(alice.knows("bob"), bob.knows("alice"))
    figure(
        f"impostors and look-alikes in {LIVES} lives of the registry",
        f"{2 * LIVES} of {2 * LIVES} refused",
        "`[Name <n> is taken.]`",
    )
    assert len(bob.shown(WELCOME)) == 1


async def test_forged_datagrams_move_nobody(stage: Stage, figure: Note) -> None:
    await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    sent = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        mallory = Visitor(stage.port, "mallory")
        await mallory.come()
        for number in range(dose(500, 5_000)):
            kind = (Kind.SEALED, Kind.REGISTER, Kind.OPENING, Kind.WELCOME, Kind.REFUSED)[
                number % 5
            ]
            forged = (
                bytes((kind,))
                + mallory.sealed(b"")[1:41]
                + mallory.random.randbytes(8 + number % 200)
            )
            for port in (stage.port, stage.port_of("alice"), stage.port_of("bob")):
                stranger.sendto(forged, ("127.0.0.1", port))
                sent += 1
        mallory.close()
    for peer in (alice, bob):
        await peer.knows("alice", "bob")
        shown = await peer.who()
        assert {name: state for name, state in shown.items() if name != "mallory"} == {
            "alice": "is online",
            "bob": "is online",
        }
    await alice.type("send bob undisturbed")
    await bob.sees("alice: undisturbed")
    await alice.sees(received("bob"))
    assert alice.shown(LOST) == bob.shown(LOST) == []
    figure(
        f"{sent:,} forged LEAVE, REGISTER, CARD, WELCOME, REFUSED",
        "no row changed",
        "row unchanged",
    )
