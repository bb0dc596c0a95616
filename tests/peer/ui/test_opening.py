"""Opening a peer, or attaching to the program that runs under its name: which is done, and what if neither can be."""

from typing import Any

import pytest

from chatapp.peer.client import Peer
from chatapp.peer.ui import opening
from chatapp.peer.ui.opening import NotOpened, open_or_attach, open_peer
from tests.peer.village import Village, village

__all__ = ["village"]


def another(village: Village) -> Peer:
    """Return the peer of another program of alice's."""
    return Peer("alice", ("127.0.0.1", village.port), home=village.folder)


def after_a_look(monkeypatch: pytest.MonkeyPatch, then: Any) -> None:
    """Have something happen when a program has found the folder in use."""

    async def looked(peer: Peer) -> list[str] | None:
        complaints = await open_peer(peer)
        if complaints is not None:
            await then()
        return complaints

    monkeypatch.setattr(opening, "open_peer", looked)


async def test_a_program_that_has_just_started_is_attached_to(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with village.peer("alice") as alice:
        offers = []

        async def offer() -> None:
            offers.append(alice.offer())

        after_a_look(monkeypatch, offer)
        running = await open_or_attach(another(village))
        assert running is not None
        await running.close()
        offers[0].close()


async def test_a_program_that_is_about_to_end_is_waited_for(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = village.peer("alice")
    await alice.open()
    after_a_look(monkeypatch, alice.close)
    second = another(village)
    assert await open_or_attach(second) is None
    await second.close()


async def test_a_program_that_offers_nothing_and_stays_is_named(village: Village) -> None:
    async with village.peer("alice") as alice:
        with pytest.raises(NotOpened) as refused:
            await open_or_attach(another(village), within=0.0)
        assert refused.value.is_taken
        assert refused.value.lines[0] == "[Name alice is taken.]"
        assert f"UDP port {alice.port}" in refused.value.lines[1]
