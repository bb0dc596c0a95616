"""Opening a peer, or attaching to the program that runs under its name: which is done, and what if
neither can be."""

from typing import Any

import pytest

from chatapp.peer.faces import opening
from chatapp.peer.faces.opening import NotOpened, open_or_attach, open_peer
from chatapp.peer.rpc.place import Offer
from chatapp.peer.sdk.client import Peer
from tests.peer.village import Village, village

__all__ = ["village"]


def another(village: Village, *, port: int = 0) -> Peer:
    """Return the peer of another program of alice's. `port`: ours; 0 for any."""
    return Peer("alice", ("127.0.0.1", village.port), home=village.folder, port=port)


def after_a_look(monkeypatch: pytest.MonkeyPatch, then: Any) -> None:
    """Have something happen when a program has found another one in its way."""

    async def looked(peer: Peer) -> None:
        try:
            await open_peer(peer)
        except NotOpened:
            await then()
            raise

    monkeypatch.setattr(opening, "open_peer", looked)


@pytest.mark.parametrize("has_port", [False, True], ids=["any port", "the same port"])
async def test_a_program_that_has_just_started_is_attached_to(
    village: Village, monkeypatch: pytest.MonkeyPatch, has_port: bool
) -> None:
    async with village.peer("alice") as alice:
        offers = []

        async def offer() -> None:
            offers.append(Offer(alice))

        after_a_look(monkeypatch, offer)
        running = await open_or_attach(another(village, port=alice.port if has_port else 0))
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


async def test_a_port_that_another_person_has_is_named(village: Village) -> None:
    async with village.peer("bob") as bob:
        with pytest.raises(NotOpened, match=f"Port {bob.port} is already in use") as refused:
            await open_or_attach(another(village, port=bob.port), within=0.0)
        assert not refused.value.is_taken
