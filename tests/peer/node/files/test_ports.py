"""What makes us connect to somebody, and how often (clause 6.21)."""

import pytest

from chatapp import Peer
from chatapp.testing import Town
from chatapp.wire.limits import PORT_TRIES_BURST, PORT_TRIES_EACH
from chatapp.wire.messages.direct import PortTried, TryPort, encode_frame
from tests.support.nodes import node_of


def ask(peer: Peer, name: str, *references: int) -> None:
    """Ask somebody to connect to us, as a client of any kind would."""
    files = node_of(peer).files
    contact = node_of(peer).core.roster.contacts.by_name(name)
    assert contact is not None
    for reference in references:
        files.tunnels.send(contact.identity, [encode_frame(TryPort(reference))])


async def test_nobody_makes_us_connect_as_often_as_they_like(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clause 6.21: "of one person 2 at once, then one each 10 s; it answers no others"."""
    async with Town() as town:
        mallory, bob = await town.peer("mallory"), await town.peer("bob")
        answers = list[PortTried]()

        def came(_: bytes, got: TryPort | PortTried) -> None:
            assert isinstance(got, PortTried)
            answers.append(got)

        monkeypatch.setattr(node_of(mallory).files._ports, "frame_came", came)
        for _ in range(5):
            ask(mallory, "bob", *range(50))
            await town.wait(0.1)
        assert len({answer.reference for answer in answers}) == 2
        assert not any(answer.has_reached for answer in answers)  # she listens nowhere
        before = len(answers)
        await town.wait(PORT_TRIES_EACH)
        ask(mallory, "bob", 100, 101)
        await town.wait(5.0)
        assert len({answer.reference for answer in answers[before:]}) == 1
        assert PORT_TRIES_BURST == 2
        await bob.trust.ignore("mallory")
        await town.wait(60.0)
        before = len(answers)
        ask(mallory, "bob", 200)
        await town.wait(5.0)
        assert len(answers) == before


async def test_an_answer_that_was_not_asked_for_counts_for_nothing() -> None:
    async with Town() as town:
        alice, mallory = await town.peer("alice"), await town.peer("mallory")
        contact = node_of(mallory).core.roster.contacts.by_name("alice")
        assert contact is not None
        files = node_of(mallory).files
        files.tunnels.send(contact.identity, [encode_frame(PortTried(7, has_reached=True))])
        await town.wait(1.0)
        assert node_of(alice).files._ports._asked == {}
        assert node_of(alice).files._ports._tried == {}
