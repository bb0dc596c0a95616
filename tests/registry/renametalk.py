"""Helpers for tests of renaming: the next card, a new name, and its answer."""

from chatapp.wire.messages.registration import RefusalReason, Rename, RenameAccepted, RenameRefused, Welcome
from chatapp.wire.messages.table import Card
from tests.registry.hand import Hand
from tests.registry.rig import Rig


def card(hand: Hand, name: str) -> Card:
    """Return the next card, under this name."""
    hand.counter += 1
    return hand.make_card(name=name)


def rename(hand: Hand, name: str) -> RenameAccepted | RenameRefused:
    """Ask for this name; returns the registry's answer. The hand takes the name if it may."""
    new = card(hand, name)
    answers = [one for one in hand.ask(Rename(7, new)) if isinstance(one, RenameAccepted | RenameRefused)]
    assert len(answers) == 1
    if isinstance(answers[0], RenameAccepted):
        hand.card, hand.name = new, name
    return answers[0]


def accepted(hand: Hand, name: str) -> None:
    assert rename(hand, name) == RenameAccepted(7)


def refused(hand: Hand, name: str) -> RefusalReason:
    answer = rename(hand, name)
    assert isinstance(answer, RenameRefused)
    return answer.reason


def comes_in(rig: Rig, name: str) -> bool:
    return isinstance(rig.hand(name).register(), Welcome)
