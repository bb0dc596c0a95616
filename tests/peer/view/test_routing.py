"""Where each event is shown."""

import pytest

from chatapp.peer.api import events as happened
from chatapp.peer.api.conversations import DESK, EVERYBODY, person, room
from chatapp.peer.view.logbook import EntryKind
from chatapp.peer.view.routing import Place, Spot, kind_of, place_of
from tests.peer.words.test_desk_texts import LINES as DESK_LINES
from tests.peer.words.test_texts import LINES

SHOWN_ELSEWHERE = (
    happened.MessageChanged | happened.Unacknowledged | happened.Registered | happened.TableChanged
)
"""Events with words for the line face that the full screen shows by a mark or in its bars."""


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_what_the_line_face_says_stands_somewhere(event: happened.Event, lines: list[str]) -> None:
    if lines and not isinstance(event, SHOWN_ELSEWHERE):
        assert place_of(event) is not Spot.NOWHERE


@pytest.mark.parametrize(("event", "lines"), DESK_LINES)
def test_the_desk_has_a_place_of_its_own(event: happened.Event, lines: list[str]) -> None:
    assert place_of(event) == (DESK if lines else place_of(event))


@pytest.mark.parametrize(
    ("event", "place", "kind"),
    [
        (happened.KeyChanged(name="bob"), person("bob"), EntryKind.ALERT),
        (happened.KeyRestored(name="bob"), person("bob"), EntryKind.NOTICE),
        (happened.MemberLeft(room="lab", name="bob"), room("lab"), EntryKind.NOTICE),
        (happened.ServerLost(), Spot.EVERYWHERE, EntryKind.RULE),
        (happened.ServerBack(), Spot.EVERYWHERE, EntryKind.RULE),
        (happened.StorageFailed(error="no space"), Spot.EVERYWHERE, EntryKind.ALERT),
        (happened.NobodyKnown(name="bob"), Spot.TYPED, EntryKind.NOTICE),
        (happened.MailUnreadable(sender="bob", detail=""), person("bob"), EntryKind.NOTICE),
        (
            happened.LineUnreadable(room="", sender="bob", reason=happened.LineLoss.INVALID),
            EVERYBODY,
            EntryKind.NOTICE,
        ),
    ],
)
def test_an_event_is_shown_where_it_belongs(event: happened.Event, place: Place, kind: EntryKind) -> None:
    assert (place_of(event), kind_of(event)) == (place, kind)
