"""Room members: each change is reported once, and insignificant changes are not."""

import pytest

from chatapp.peer.api.events import Event, MemberJoined, MemberLeft
from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.records import StoredGroup, StoredStream
from chatapp.peer.core.rooms.group import Group
from chatapp.peer.core.rooms.membership import RETURN_SPAN, Memberships
from chatapp.wire.messages.rooms import RoomMember, RoomPresence
from tests.peer.core.cast import NoRegistry, Someone

ALICE, BOB, CAROL = Someone("alice"), Someone("bob"), Someone("carol")
GONE, AWAY, HERE = RoomPresence


class Lab:
    """Alice's view of the room lab."""

    def __init__(self, *knows: Someone) -> None:
        ctx = ALICE.context()
        self.out, self.alarms = ctx.out, ctx.alarms
        self.contacts = Contacts()
        for person in knows:
            self.contacts.take_row(person.row())
        self.all = Memberships(ctx, self.contacts, NoRegistry())
        group = Group("#lab", StoredStream(), StoredGroup(), ctx.out)
        self.members = self.all.begin(group, ())

    def saw(self) -> list[Event]:
        return self.out.drain_events()

    def changed(self, who: Someone, presence: RoomPresence) -> list[Event]:
        self.members.changed([RoomMember(who.id, presence)])
        return self.saw()


@pytest.fixture
def lab() -> Lab:
    """Bob is in the room, carol is away; both are reported as such."""
    lab = Lab(BOB, CAROL)
    lab.members.begin([RoomMember(BOB.id, HERE), RoomMember(CAROL.id, AWAY)])
    assert lab.members.announce() == ("bob",)
    return lab


def test_who_comes_and_goes_is_told_once(lab: Lab) -> None:
    assert lab.changed(CAROL, HERE) == [MemberJoined(room="lab", name="carol")]
    assert lab.changed(CAROL, HERE) == []
    assert lab.changed(CAROL, AWAY) == [MemberLeft(room="lab", name="carol")]
    assert lab.changed(CAROL, GONE) == []


def test_ignored_people_come_and_go_silently_and_are_listed(lab: Lab) -> None:
    lab.contacts.ignored.add(CAROL.id)
    assert lab.changed(CAROL, HERE) == []
    assert CAROL.id in {contact.identity for contact in lab.members.here()}
    assert lab.changed(CAROL, GONE) == []
    lab.contacts.ignored.discard(CAROL.id)
    assert lab.changed(CAROL, HERE) == [MemberJoined(room="lab", name="carol")]


def test_a_member_who_left_by_the_table_has_left_the_room_first_and_once(lab: Lab) -> None:
    lab.members.gone(BOB.id)
    assert lab.saw() == [MemberLeft(room="lab", name="bob")]
    assert lab.changed(BOB, AWAY) == []
    lab.members.gone(BOB.id)
    lab.members.gone(CAROL.id)  # was away already
    assert lab.saw() == []
    assert lab.changed(BOB, HERE) == [MemberJoined(room="lab", name="bob")]


def test_we_ourselves_are_no_news(lab: Lab) -> None:
    assert lab.changed(ALICE, HERE) == []
    assert ALICE.id not in lab.members.members


def test_nobody_is_announced_before_the_user_knows_of_the_room() -> None:
    lab = Lab(BOB)
    lab.members.begin([])
    lab.members.changed([RoomMember(BOB.id, HERE)])
    assert lab.saw() == []
    assert lab.members.announce() == ("bob",)


def test_a_member_who_is_back_soon_after_the_registry_has_not_left(lab: Lab) -> None:
    lab.members.returned([RoomMember(BOB.id, AWAY)], now=10.0)
    lab.all.watch()
    assert lab.changed(BOB, AWAY) == []
    assert lab.changed(BOB, HERE) == []
    lab.alarms.ring(now=10.0 + RETURN_SPAN)
    assert lab.saw() == []
    assert lab.alarms.next_timer() is None


def test_who_does_not_come_back_has_left_after_a_while(lab: Lab) -> None:
    lab.members.returned([RoomMember(BOB.id, AWAY)], now=10.0)
    lab.all.watch()
    assert lab.alarms.next_timer() == 10.0 + RETURN_SPAN
    lab.alarms.ring(now=10.0 + RETURN_SPAN - 0.1)
    assert lab.saw() == []
    lab.alarms.ring(now=10.0 + RETURN_SPAN)
    assert lab.saw() == [MemberLeft(room="lab", name="bob")]


def test_who_left_for_good_while_we_were_away_is_told_at_once(lab: Lab) -> None:
    lab.members.returned([RoomMember(CAROL.id, HERE)], now=10.0)
    assert lab.saw() == [MemberJoined(room="lab", name="carol"), MemberLeft(room="lab", name="bob")]


def test_who_has_no_row_yet_is_told_when_it_comes(lab: Lab) -> None:
    dave = Someone("dave")
    assert lab.changed(dave, HERE) == []
    assert lab.members.lacking()
    lab.contacts.take_row(dave.row())
    lab.members.rows_arrived()
    lab.members.rows_arrived()
    assert lab.saw() == [MemberJoined(room="lab", name="dave")]


def test_who_went_before_their_row_came_is_never_told_of(lab: Lab) -> None:
    dave = Someone("dave")
    lab.changed(dave, HERE)
    assert lab.changed(dave, GONE) == []
    lab.contacts.take_row(dave.row())
    lab.members.rows_arrived()
    assert lab.saw() == []
