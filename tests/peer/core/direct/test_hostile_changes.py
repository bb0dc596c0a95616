"""What somebody may not do to a line, or does in no known way: one line that cannot be shown, in its
place."""

import pytest

from chatapp.peer.api.events import Edited, Line, Reacted, Retracted, Said
from chatapp.wire.codec import encode
from chatapp.wire.messages.direct import Floor, Part
from tests.peer.core.receiver_driver import ALICE, BOB, ReceiverDriver, part

ALICE_KEY = ALICE.id


def about(text: str, *relation: object) -> Part:
    return Part(6, 0, 1, encode([6_000, text, [*relation]]))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (about("mine now", 2, ALICE_KEY, 5), Said),
        (about("", 3, ALICE_KEY, 5), Said),
        (about("", 3, BOB.id, 5), Said),
        (about("hi", 1, b"c" * 32, 5), Said),
        (about("hi", 1, b"short", 5), Said),
        (about("no emoji", 4, b"", 5, True), Said),
        (about("👍" * 9, 4, b"", 5, True), Said),
        (about("x", 77, "later"), Said),
        (about("x", "no tag"), Said),
        (about("x"), Said),
        (about("fixed", 2, b"", 5), Edited),
        (about("fixed", 2, b"", 2**63 - 1), Edited),
        (about("", 3, b"", 5), Retracted),
        (about("👍", 4, ALICE_KEY, 5, True), Reacted),
    ],
)
def test_it_is_shown_in_its_place_and_what_follows_as_well(change: Part, kind: type[Line]) -> None:
    """Clause 6.14."""
    alice = ReceiverDriver()
    alice.hears(Floor(5), part(5), change, part(7))
    alice.store()
    first, second, third = alice.lines()
    assert (first.text, third.text) == ("hi", "hi")
    assert type(second) is kind
    if isinstance(second, Said):
        assert (second.is_unknown, second.text) == (True, "")
