"""A registry's key at the peer: pinned under the server as typed, recognised under another name,
refused or accepted after a change.

Over real sockets and disks.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.errors import OtherRegistry
from chatapp.peer.sdk.client import Peer
from chatapp.registry.program.app import Registry
from chatapp.wire.identity import fingerprint_digits
from tests.peer.village import Village, next_of, outcome_of, village
from tests.support.nodes import node_of

__all__ = ["village"]

NAME, ADDRESS = "localhost", "127.0.0.1"


def alice(
    village: Village,
    host: str,
    *,
    key: str | None = None,
    announced: str | None = None,
    rooms: tuple[str, ...] = (),
) -> Peer:
    """Return Alice's program, started for a server as she types it, or (`announced`) as it was
    announced."""
    home = village.folder / "alice"
    return Peer(
        "alice",
        (host, village.port),
        home=home,
        registry_key=key,
        announced_key=announced,
        rooms=rooms,
    )


async def other_registry(village: Village, folder: Path) -> Registry:
    """Another registry in the place of the village's."""
    await village.close_registry()
    registry = Registry(village.port, folder / "another", say=lambda line: None)
    await registry.start()
    return registry


async def bobs_key_as_learned_by(alice: Peer, village: Village) -> bytes:
    """Let Bob register, so that Alice knows him."""
    async with village.peer("bob") as bob:
        await outcome_of(await alice.send("bob", "hello"))
        return node_of(bob).core.me.identity.public


def key_held_for_bob(peer: Peer) -> bytes:
    contact = node_of(peer).core.roster.contacts.by_name("bob")
    assert contact is not None
    return contact.identity


def kinds(peer: Peer) -> list[type[events.Event]]:
    return [type(event) for event in peer.take_events()]


async def test_the_first_contact_tells_the_key_and_the_second_does_not(village: Village) -> None:
    async with alice(village, NAME) as first:
        met = await next_of(first, events.RegistryMet)
        assert not met.is_verified
    async with alice(village, NAME) as second:
        assert events.RegistryMet not in kinds(second)
    digits = met.key.replace(" ", "")
    other = Peer(
        "bob", ("127.0.0.1", village.port), home=village.folder, registry_key=digits.upper()
    )
    async with other as bob:
        assert await next_of(bob, events.RegistryMet) == events.RegistryMet(
            key=met.key, is_verified=True
        )


async def test_the_same_registry_under_another_name_has_the_same_people_and_their_keys(
    village: Village,
) -> None:
    async with alice(village, NAME) as first:
        bobs_key = await bobs_key_as_learned_by(first, village)
    async with alice(village, ADDRESS) as moved:
        recognized = await next_of(moved, events.RegistryRecognized)
        assert recognized.servers == (f"{NAME}:{village.port}",)
        assert key_held_for_bob(moved) == bobs_key
        assert events.RegistryMet not in kinds(moved)
        receipt = await moved.send("bob", "hi")
        await outcome_of(receipt)
    async with alice(village, ADDRESS) as again:
        assert events.RegistryRecognized not in kinds(again)


async def test_a_room_is_entered_at_a_registry_that_has_moved(village: Village) -> None:
    async with alice(village, NAME):
        pass
    async with alice(village, ADDRESS, rooms=("lab", "den")) as moved:
        assert {room.name for room in moved.rooms} == {"lab", "den"}
        batch = moved.take_events()
        assert events.RegistryRecognized in map(type, batch)
        entered = [event.room for event in batch if isinstance(event, events.EnteredRoom)]
        assert sorted(entered) == ["den", "lab"]


async def test_another_bob_at_the_same_registry_under_another_name_is_blocked_at_once(
    village: Village, tmp_path: Path
) -> None:
    """Pins that a program learned under one name of the server hold before anybody is believed
    under another."""
    async with alice(village, NAME) as first:
        bobs_key = await bobs_key_as_learned_by(first, village)
    with closing(sqlite3.connect(first.folder / "history.db")) as db, db:
        (row,) = db.execute("SELECT row FROM people WHERE identity = ?", (bobs_key,)).fetchone()
        learned = (bytes(32), row.replace(bobs_key, bytes(32)), bobs_key)
        db.execute("UPDATE people SET identity = ?, row = ? WHERE identity = ?", learned)
    async with alice(village, ADDRESS) as moved, village.peer("bob"):
        await next_of(moved, events.KeyChanged)


@pytest.mark.parametrize(
    ("host", "announced"),
    [(NAME, ""), (ADDRESS, "the known key"), (NAME, "the other key")],
    ids=["at the known server", "announced elsewhere", "announced there"],
)
async def test_another_registry_is_refused_where_a_key_is_known(
    village: Village, tmp_path: Path, host: str, announced: str
) -> None:
    """Whoever announces the known key has to prove it, and an announced one takes the place of none
    that is pinned."""
    async with alice(village, NAME) as first:
        known = (await next_of(first, events.RegistryMet)).key
    other = await other_registry(village, tmp_path)
    key = {"the known key": known, "the other key": other.fingerprint}.get(announced)
    try:
        with pytest.raises(OtherRegistry) as refused:
            await alice(village, host, announced=key).__aenter__()
        assert (refused.value.expected, refused.value.got) == (known, other.fingerprint)
    finally:
        await other.stop()


async def test_a_key_that_the_user_names_takes_the_place_of_the_pinned_one(
    village: Village, tmp_path: Path
) -> None:
    async with alice(village, NAME) as first:
        bobs_key = await bobs_key_as_learned_by(first, village)
    registry = await other_registry(village, tmp_path)
    try:
        async with alice(village, NAME, key=registry.fingerprint) as accepting:
            assert (
                await next_of(accepting, events.RegistryKeyAccepted)
            ).key == registry.fingerprint
            assert key_held_for_bob(accepting) == bobs_key
        async with alice(village, NAME) as again:
            assert events.Registered in kinds(again)
            pinned = node_of(again).core.registry.session.pinned
            assert pinned is not None and fingerprint_digits(
                pinned
            ) == registry.fingerprint.replace(" ", "")
    finally:
        await registry.stop()


async def test_a_known_registry_is_recognised_where_it_was_announced(village: Village) -> None:
    async with alice(village, NAME) as first:
        known = (await next_of(first, events.RegistryMet)).key
        bobs_key = await bobs_key_as_learned_by(first, village)
    async with alice(village, ADDRESS, announced=known) as moved:
        assert key_held_for_bob(moved) == bobs_key


async def test_a_registry_without_the_key_that_the_user_names_is_refused_at_the_first_contact(
    village: Village,
) -> None:
    with pytest.raises(OtherRegistry) as refused:
        await alice(village, NAME, key="0" * 32).__aenter__()
    assert refused.value.expected == " ".join(["0000"] * 8)
    async with alice(village, NAME) as first:
        await next_of(first, events.RegistryMet)
