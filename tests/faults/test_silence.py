"""Programs that hang and machines that vanish, with their connections open: how soon everybody
knows."""

import asyncio
import signal
import time

from tests.cast.desk import position
from tests.cast.lines import SAVED, beginning, no_ack
from tests.cast.stage import Stage
from tests.faults.conftest import Note
from tests.faults.namespaces import Town, lab_or_skip
from tests.faults.size import bar, dose

LEASE = dose(5, 30)
AWAY_WITHIN = LEASE + 5.0
KNOWN_WITHIN = 6.0
"""Seconds after a message that nobody answered."""


async def registry(stage: Stage, *options: str) -> None:
    """Start a registry with a lease that this dose has time for."""
    settings = stage.folder / "chatapp.toml"
    settings.write_text(f"[registry]\nlease = {LEASE}\n")
    await stage.registry("--config", str(settings), *options)


async def test_a_frozen_peer_is_away(stage: Stage, figure: Note) -> None:
    await registry(stage)
    alice, bob = await stage.welcome("alice", "bob")
    bob.signal(signal.SIGSTOP)
    begun = time.monotonic()
    await alice.knows(away=["bob"])
    took = time.monotonic() - begun
    bob.signal(signal.SIGCONT)
    await alice.knows("bob")
    figure(
        f"a frozen peer (SIGSTOP), lease of {LEASE} s",
        f"away for others after {took:.1f} s; here again when it goes on",
        f"{AWAY_WITHIN:.0f} s",
    )
    assert took < bar(AWAY_WITHIN)


async def test_a_frozen_peer_is_away_after_a_message_to_it(stage: Stage, figure: Note) -> None:
    await stage.registry()
    alice, bob, carol = await stage.welcome("alice", "bob", "carol")
    bob.signal(signal.SIGSTOP)
    begun = time.monotonic()
    await alice.type("send bob are you there")
    await asyncio.gather(alice.knows(away=["bob"]), carol.knows(away=["bob"]))
    took = time.monotonic() - begun
    await alice.sees_all(no_ack("bob"), SAVED)
    bob.signal(signal.SIGCONT)
    await bob.sees("alice: are you there")
    figure(
        "a message to a frozen peer",
        f"away for everybody {took:.1f} s after it was typed; shown once when it goes on",
        f"{KNOWN_WITHIN:.0f} s",
    )
    assert len(bob.shown(lambda line: line.endswith("are you there"))) == 1
    assert took < bar(KNOWN_WITHIN)


async def test_a_frozen_visitor_blocks_nobody(stage: Stage, figure: Note) -> None:
    await stage.registry("--operator", "bob")
    bob = await stage.operator()
    ana = await stage.served("Ana", by=bob)
    ben = await stage.joined("Ben", 1)
    await stage.joined("Cem", 2)
    ana.signal(signal.SIGSTOP)
    begun = time.monotonic()
    await bob.type("are you there?")
    await bob.sees(beginning("[Ana lost the connection"))
    noticed = time.monotonic() - begun
    ben.signal(signal.SIGSTOP)
    await bob.type(".end")
    begun = time.monotonic()
    await bob.sees("Name: Ben")
    await bob.sees("[Ben does not answer; the place is kept for a while.]")
    await bob.sees("Name: Cem")
    called = time.monotonic() - begun
    ben.signal(signal.SIGCONT)
    await ben.sees("[You were called while you were away: your place was kept.]")
    await ben.sees(position(1))
    await bob.room_is("Ben")
    figure(
        "a frozen visitor who is spoken to, and one who is called",
        f"the operator reads that the first is out of reach {noticed:.1f} s later, and gets the next one "
        f"{called:.1f} s after the second was called, who keeps the place",
        f"{KNOWN_WITHIN:.0f} s",
    )
    assert max(noticed, called) < bar(KNOWN_WITHIN)


async def test_a_machine_that_vanishes(stage: Stage, figure: Note) -> None:
    """No FIN and no RST: its cable is pulled."""
    with lab_or_skip() as lab:
        town = Town(lab, stage)
        await town.registry()
        for name in ("alice", "bob", "carol"):
            lab.machine(name)
        alice, _, carol = await town.peers("alice", "bob", "carol")
        lab.cut("bob")
        begun = time.monotonic()
        await alice.type("send bob are you there")
        await asyncio.gather(alice.knows(away=["bob"]), carol.knows(away=["bob"]))
        took = time.monotonic() - begun
        await alice.sees_all(no_ack("bob"), SAVED)
    figure(
        "a message to a machine that has vanished",
        f"away for everybody {took:.1f} s after it was typed",
        f"{KNOWN_WITHIN:.0f} s",
    )
    assert took < bar(KNOWN_WITHIN)
