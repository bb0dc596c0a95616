"""Where each event is shown."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import DESK, EVERYBODY, person, room
from chatapp.peer.view.log import EntryKind
from chatapp.peer.view.panes import Place, Spot, kind_of, place_of
from tests.peer.words.test_desk_texts import LINES as DESK_LINES
from tests.peer.words.test_texts import LINES

SHOWN_ELSEWHERE = (
    events.MessageChanged | events.Unacknowledged | events.Registered | events.TableChanged
)
"""Events with words for the line face that the full screen shows by a mark or in its bars."""


@pytest.mark.parametrize(("event", "lines"), LINES)
def test_what_the_line_face_says_stands_somewhere(event: events.Event, lines: list[str]) -> None:
    if lines and not isinstance(event, SHOWN_ELSEWHERE):
        assert place_of(event) is not Spot.NOWHERE


@pytest.mark.parametrize(("event", "lines"), DESK_LINES)
def test_the_desk_has_a_place_of_its_own(event: events.Event, lines: list[str]) -> None:
    assert place_of(event) == (DESK if lines else place_of(event))


@pytest.mark.parametrize(
    ("event", "place", "kind"),
    [
        (events.KeyChanged(name="bob"), person("bob"), EntryKind.ALERT),
        (events.KeyRestored(name="bob"), person("bob"), EntryKind.NOTICE),
        (events.MemberLeft(room="lab", name="bob"), room("lab"), EntryKind.NOTICE),
        (events.ServerLost(), Spot.EVERYWHERE, EntryKind.RULE),
        (events.ServerBack(), Spot.EVERYWHERE, EntryKind.RULE),
        (events.StorageFailed(error="no space"), Spot.EVERYWHERE, EntryKind.ALERT),
        (events.NobodyKnown(name="bob"), Spot.TYPED, EntryKind.NOTICE),
        (events.MailUnreadable(sender="bob", detail=""), person("bob"), EntryKind.NOTICE),
        (
            events.LineUnreadable(
                conversation=EVERYBODY, sender="bob", reason=events.LineLoss.INVALID
            ),
            EVERYBODY,
            EntryKind.NOTICE,
        ),
    ],
)
def test_an_event_is_shown_where_it_belongs(
    event: events.Event, place: Place, kind: EntryKind
) -> None:
    assert (place_of(event), kind_of(event)) == (place, kind)
