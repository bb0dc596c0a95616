"""Helpers for tests of renaming: the next card, a new name, and its answer."""

from chatapp.wire.messages.registration import (
    RefusalReason,
    Rename,
    RenameAccepted,
    RenameRefused,
    Welcome,
)
from chatapp.wire.messages.table import Card
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig


def card(peer: LinkedPeer, name: str) -> Card:
    """Return the next card, under this name."""
    peer.counter += 1
    return peer.make_card(name=name)


def rename(peer: LinkedPeer, name: str) -> RenameAccepted | RenameRefused:
    """Ask for this name; returns the registry's answer. The peer takes the name if the registry
    accepts it."""
    new = card(peer, name)
    answers = [
        one for one in peer.ask(Rename(7, new)) if isinstance(one, RenameAccepted | RenameRefused)
    ]
    assert len(answers) == 1
    if isinstance(answers[0], RenameAccepted):
        peer.card, peer.name = new, name
    return answers[0]


def accepted(peer: LinkedPeer, name: str) -> None:
    assert rename(peer, name) == RenameAccepted(7)


def refused(peer: LinkedPeer, name: str) -> RefusalReason:
    answer = rename(peer, name)
    assert isinstance(answer, RenameRefused)
    return answer.reason


def comes_in(rig: Rig, name: str) -> bool:
    return isinstance(rig.peer(name).register(), Welcome)
