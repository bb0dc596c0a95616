"""Work on the link: in which order waiting mail and lines are fetched, and what happens to our
lines."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY
from chatapp.peer.api.events import MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.records import RegistryPinned, StoredGroup
from chatapp.peer.core.registry.link import ASKED_AFTER, SPOKEN_WITHIN
from chatapp.peer.core.registry.registration import SEEKING_SPAN
from chatapp.peer.core.rooms.lines import SAID_AGAIN_AFTER
from chatapp.wire.codec import encode, pack_relayed, unpack_group
from chatapp.wire.limits import LINK_KEEPALIVE_SPAN
from chatapp.wire.messages.direct import ReportSilence
from chatapp.wire.messages.mail import DepositMail, Letter, LetterBody, MailBatch, TakeMail
from chatapp.wire.messages.registration import Ping, Pong, Probe
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EpochKey,
    FetchGroup,
    GroupAccepted,
    GroupBody,
    GroupGranted,
    GroupLine,
    GroupPage,
    GroupRefusal,
    GroupRefused,
)
from chatapp.wire.messages.table import RUN_BITS, FetchTable, TablePage
from chatapp.wire.sealing import GroupKey, seal_letter
from tests.peer.core.cast import POLICY, Porter, Someone, raw
from tests.peer.core.core_driver import KEY, SENDER_INDEX, CoreDriver
from tests.support.screen import is_now

BOB, CAROL = Someone("bob"), Someone("carol")


@pytest.fixture
def node() -> CoreDriver:
    """Return a registered core with a link, which knows bob."""
    node = CoreDriver()
    node.come_in(node.alice.row(1), BOB.row(2, sender_index=7))
    node.saw()
    node.asked()
    return node


def kinds(seen: list[events.Event]) -> list[type[events.Event]]:
    return [type(event) for event in seen]


def letter(by: Someone, number: int, text: str) -> Letter:
    alice = Someone("alice")
    body = LetterBody(number, number, number, by.id, by.name, alice.id, "alice", 0, text)
    return Letter(
        number, by.id, number, seal_letter(body, author=by.identity, mail_key=alice.mail_key.public)
    )


def said(number: int, text: str, *, sender_index: int = 7) -> bytes:
    key = GroupKey(CHANNEL, epoch=1, key=KEY)
    key._counter = number
    return key.seal(sender_index, encode(GroupBody(number=number, floor=number, at=0, text=text)))


def texts(node: CoreDriver) -> list[str]:
    lines: list[events.LineEvent] = []
    for event in node.saw():
        if isinstance(event, events.MailReturned):
            lines += event.lines
        elif isinstance(event, events.Line):
            lines.append(event)
    return [line.text for line in lines]


# --- coming up


def test_mail_that_comes_before_the_table_waits_for_it() -> None:
    node = CoreDriver()
    node.start()
    node.register()
    node.greet()
    node.asked()
    node.told(
        GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0),
        MailBatch([letter(BOB, 5, "hi")], more=False),
    )
    assert texts(node) == []
    node.told(TablePage(0, 100, more=False, rows=raw(BOB.row(2))))
    assert texts(node) == ["hi"]
    assert TakeMail([5]) in node.asked()


def test_a_letter_of_somebody_newer_than_our_table_waits_for_their_row(node: CoreDriver) -> None:
    """The broadcast of a newcomer's row may be lost; a letter that is released unread is lost for
    good."""
    node.told(MailBatch([letter(CAROL, 5, "I am new")], more=False))
    assert node.asked() == [FetchTable(100)]
    assert texts(node) == []
    node.told(MailBatch([letter(BOB, 6, "behind it")], more=False))
    assert node.asked() == []
    node.told(TablePage(100, 101, more=False, rows=raw(CAROL.row(101))))
    assert texts(node) == ["I am new", "behind it"]
    assert [request for request in node.asked() if isinstance(request, TakeMail)] == [
        TakeMail([5, 6])
    ]


def test_a_letter_of_somebody_whom_the_registry_does_not_know_either_is_shown_all_the_same(
    node: CoreDriver,
) -> None:
    node.told(MailBatch([letter(CAROL, 5, "boo")], more=False))
    node.told(TablePage(100, 100, more=False, rows=[]))
    assert texts(node) == ["boo"]
    assert TakeMail([5]) in node.asked()


def test_a_stored_line_of_somebody_newer_than_our_table_waits_for_their_row(
    node: CoreDriver,
) -> None:
    line = GroupLine(1, CAROL.id, said(5, "I am new", sender_index=8))
    node.told(GroupPage(CHANNEL, [EpochKey(1, KEY)], [line], 1, more=False))
    assert texts(node) == []
    node.told(TablePage(100, 101, more=False, rows=raw(CAROL.row(101))))
    assert texts(node) == ["I am new"]


def test_a_lost_link_means_seeking_and_then_lost(node: CoreDriver) -> None:
    node.lose_link()
    assert node.core.reach is RegistryReach.SEEKING
    node.register()
    node.pass_time(SEEKING_SPAN)
    assert node.core.reach.name == "LOST"  # it answers by UDP and has no link for us
    assert node.saw() == []


def test_requests_on_a_lost_link_are_repeated_on_the_next_once_it_is_up(node: CoreDriver) -> None:
    node.core.direct.send("bob", "hi", now=node.now)
    node.told(TablePage(100, 101, more=False, rows=raw(BOB.row(101, online=False))))
    (before,) = [request for request in node.asked() if isinstance(request, DepositMail)]
    node.lose_link()
    node.core.direct.look_up("carol", now=node.now)
    node.register()
    node.attach(version=102)
    (after,) = [request for request in node.asked() if isinstance(request, DepositMail)]
    assert after.number == before.number


def test_a_frame_that_does_not_open_ends_the_link(node: CoreDriver) -> None:
    """Clause 9.2."""
    node.frames(b"\x07garbage")
    assert node.core.wants_link_closed()
    assert node.core.reach is RegistryReach.SEEKING


def test_a_notice_that_is_none_is_dropped_and_counted(node: CoreDriver) -> None:
    node.frames(node._session.seal(b"\xc1"))
    assert node.core.dropped["frame"] == 1
    assert not node.core.wants_link_closed()


def test_a_silent_link_is_kept_alive() -> None:
    node = CoreDriver()
    node.porter.lease = 86_400
    node.come_in()
    node.asked()
    node.pass_time(LINK_KEEPALIVE_SPAN - 0.01)
    assert node.asked() == []
    node.pass_time(0.01)
    assert node.asked() == [Ping(reference=0)]


class TestSignsOfLife:
    """Clause 5.4."""

    def test_the_link_carries_them_and_udp_does_when_it_brings_no_answer(
        self, node: CoreDriver
    ) -> None:
        node.pass_time(SPOKEN_WITHIN * 30.0)
        assert node.asked() == [Ping(0)]
        assert node.sealed() == []
        node.pass_time(ASKED_AFTER)
        assert node.asked() == [Ping(0)]
        assert len(node.sealed()) == 1
        node.pass_time(0.5)
        assert len(node.sealed()) == 1
        (ping,) = node.asked()  # from the second time on there too
        assert isinstance(ping, Ping)
        node.told(Pong(ping.reference, 0))
        node.pass_time(5.0)
        assert node.sealed() == []
        assert node.core.reach is RegistryReach.UP

    def test_a_probe_on_the_link_is_answered_there(self, node: CoreDriver) -> None:
        node.told(Probe())
        assert node.asked() == [Ping(0)]
        assert node.sealed() == []

    def test_a_probe_by_udp_is_answered_by_udp(self, node: CoreDriver) -> None:
        node.hears(node.porter.sealed(Probe()))
        (answer,) = node.sealed()
        (ping,) = node.porter.opened(answer)
        assert isinstance(ping, Ping)
        assert node.asked() == []

    def test_many_probes_are_one_question(self, node: CoreDriver) -> None:
        for _ in range(10):
            node.hears(node.porter.sealed(Probe()))
        assert len(node.sealed()) == 1

    def test_somebody_who_answers_no_try_is_reported_once(self, node: CoreDriver) -> None:
        for text in ("one", "two", "three"):
            node.core.direct.send("bob", text, now=node.now)
        node.pass_time(POLICY.give_up_after)
        reports = [request for request in node.asked() if isinstance(request, ReportSilence)]
        assert reports == [ReportSilence(BOB.id)]

    def test_somebody_who_answers_none_that_went_both_ways_is_reported_too(
        self, node: CoreDriver
    ) -> None:
        node.core.direct.send("bob", "one", now=node.now)
        node.pass_time(POLICY.give_up_after + 2.0)
        node.answer_pings()
        node.core.direct.send("bob", "two", now=node.now)
        node.pass_time(POLICY.give_up_after)
        assert ReportSilence(BOB.id) in node.asked()

    def test_people_who_are_away_are_not_reported_as_silent(self, node: CoreDriver) -> None:
        node.core.direct.send("bob", "one", now=node.now)
        node.pass_time(1.0)
        node.told(TablePage(100, 101, more=False, rows=raw(BOB.row(101, online=False))))
        node.pass_time(5.0)
        assert ReportSilence(BOB.id) not in node.asked()


# --- our lines of the channel (clause 8.4)


def test_a_line_is_accepted_when_the_registry_says_so(node: CoreDriver) -> None:
    begun = node.core.rooms.say_to_all("hi", now=node.now)
    node.turn()
    (line,) = node.lines()
    header = unpack_group(line)
    assert header.sender_index == SENDER_INDEX
    assert node.saw() == []
    node.told(GroupAccepted(CHANNEL, header.epoch, header.counter, 1))
    node.told(GroupAccepted(CHANNEL, header.epoch, header.counter, 1))
    assert node.saw() == [
        events.MessageChanged(conversation=EVERYBODY, id=begun.id, state=events.MessageState.SAVED)
    ]
    assert node.core.is_settled
    assert node.disk.load().groups[CHANNEL] == StoredGroup(1, 1)


def test_a_line_in_an_old_epoch_is_sealed_again(node: CoreDriver) -> None:
    node.core.rooms.say_to_all("hi", now=node.now)
    node.turn()
    (line,) = node.lines()
    header = unpack_group(line)
    node.told(
        GroupGranted(CHANNEL, 2, b"n" * 32, SENDER_INDEX, 0),
        GroupRefused(CHANNEL, header.epoch, header.counter, GroupRefusal.EPOCH_OVER),
    )
    (again,) = node.lines()
    assert unpack_group(again).epoch == 2
    assert node.saw() == []


@pytest.mark.parametrize(
    "reason", [GroupRefusal.DISK_FULL, GroupRefusal.DISK_FAILED, GroupRefusal.TOO_MANY_ONLINE]
)
def test_a_line_that_the_server_does_not_take_is_told_of(
    node: CoreDriver, reason: GroupRefusal
) -> None:
    begun = node.core.rooms.say_to_all("hi", now=node.now)
    node.turn()
    header = unpack_group(node.lines()[0])
    node.told(GroupRefused(CHANNEL, header.epoch, header.counter, reason))
    assert node.saw() == [
        events.MessageChanged(
            conversation=EVERYBODY,
            id=begun.id,
            state=events.MessageState.REFUSED,
            reason=events.MessageReason[reason.name],
        )
    ]
    assert node.core.is_settled


def test_a_line_that_is_kept_stays_so_when_the_servers_disk_does_not_take_it(
    node: CoreDriver,
) -> None:
    """The registry's disk hung first: some members may have the line directly, and an author who
    reads "refused" sends it again."""
    node.core.rooms.say_to_all("hi", now=node.now)
    node.pass_time(POLICY.give_up_after)
    (told,) = [event for event in node.saw() if is_now(event, events.MessageState.KEPT)]
    header = unpack_group(node.lines()[0])
    node.told(GroupRefused(CHANNEL, header.epoch, header.counter, GroupRefusal.DISK_FAILED))
    assert node.saw() == []
    for _ in range(int(SAID_AGAIN_AFTER)):
        node.answer_pings()
        node.pass_time(1.0)
    header = unpack_group(node.lines()[0])
    node.told(GroupAccepted(CHANNEL, header.epoch, header.counter, 7))
    assert node.saw() == [
        events.MessageChanged(conversation=EVERYBODY, id=told.id, state=events.MessageState.SAVED)
    ]


def test_a_line_without_an_answer_is_given_up_and_the_registry_asked_whether_it_lives(
    node: CoreDriver,
) -> None:
    begun = node.core.rooms.say_to_all("hi", now=node.now)
    node.pass_time(POLICY.give_up_after - 0.01)
    assert node.saw() == []
    node.pass_time(0.01)
    assert node.saw() == [
        events.MessageChanged(conversation=EVERYBODY, id=begun.id, state=events.MessageState.KEPT)
    ]
    node.pass_time(2 * POLICY.give_up_after)
    assert kinds(node.saw()) == [events.ServerLost]


def test_a_line_that_a_lost_link_took_along_is_said_again_on_the_next(node: CoreDriver) -> None:
    """Members who have the line already recognise its number."""
    node.core.rooms.say_to_all("hi", now=node.now)
    node.turn()
    (before,) = node.lines()
    node.lose_link()
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX + 1, 0))
    (after,) = node.lines()
    assert unpack_group(after).counter > unpack_group(before).counter
    assert unpack_group(after).sender_index == SENDER_INDEX + 1


def test_without_a_registry_a_line_is_given_up_at_once() -> None:
    node = CoreDriver()
    node.start()
    node.pass_time(10.0)
    node.saw()
    node.core.rooms.say_to_all("hi", now=node.now)
    node.turn()
    (told,) = node.saw()
    assert is_now(told, MessageState.KEPT)


def test_numbers_of_lines_rise_over_restarts_even_if_the_clock_is_set_back(
    node: CoreDriver,
) -> None:
    """Clause 6.2: or others would take the newer ones for repeats, and not show them."""
    before = node.core.rooms.say_to_all("one", now=node.now).number
    node.turn()
    later = CoreDriver(disk=node.disk, life=2)
    later.core.clock.offset -= 3_600.0
    begun = later.core.rooms.say_to_all("two", now=later.now)
    later.turn()
    assert [record.state for record in later.records if hasattr(record, "state")] == [
        MessageState.KEPT
    ]
    later.start()
    later.register()
    assert begun.number >= 2**62
    assert [line.number for line in later.disk.lines.all() if line.id == begun.id] == [before + 1]


# --- others' lines


def test_lines_are_shown_as_they_come_and_holes_asked_for(node: CoreDriver) -> None:
    node.frames(pack_relayed(1, said(5, "one")))
    assert texts(node) == ["one"]
    node.frames(pack_relayed(3, said(7, "three")))
    node.pass_time(1.0)
    assert FetchGroup(CHANNEL, since=1) in node.asked()
    node.told(
        GroupPage(
            CHANNEL, [EpochKey(1, KEY)], [GroupLine(2, BOB.id, said(6, "two"))], 2, more=False
        ),
        GroupPage(CHANNEL, [], [], 3, more=False),
    )
    assert texts(node) == ["two", "three"]


def test_lines_of_a_log_that_was_put_back_from_a_backup_are_shown_and_none_of_them_twice(
    node: CoreDriver,
) -> None:
    """The registry's log ends at 2 and we have read up to 9: it has lost lines, and gives other
    lines positions that we know."""
    node.frames(*(pack_relayed(place, said(place + 4, f"line {place}")) for place in range(1, 10)))
    assert len(texts(node)) == 9
    node.lose_link()
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 2), MailBatch([], more=False))
    asked = node.asked()
    assert FetchGroup(CHANNEL, since=0) in asked
    since = [request.since for request in asked if isinstance(request, FetchTable)]
    stored = [GroupLine(1, BOB.id, said(5, "line 1")), GroupLine(2, BOB.id, said(14, "said since"))]
    node.told(
        TablePage(since[-1], 102, more=False, rows=raw(BOB.row(102, sender_index=7))),
        GroupPage(CHANNEL, [EpochKey(1, KEY)], stored, 2, more=False),
    )
    assert texts(node) == ["said since"]
    node.frames(pack_relayed(3, said(15, "as it is said")))
    assert texts(node) == ["as it is said"]
    node.frames(pack_relayed(5, said(17, "behind a hole")))
    node.pass_time(1.0)
    assert FetchGroup(CHANNEL, since=3) in node.asked()


def test_a_line_of_an_unknown_station_asks_for_the_row(node: CoreDriver) -> None:
    node.frames(pack_relayed(1, said(5, "I am new", sender_index=8)))
    assert node.asked() == [FetchTable(100)]
    node.told(TablePage(100, 101, more=False, rows=raw(CAROL.row(101, sender_index=8))))
    assert texts(node) == ["I am new"]


def test_a_hole_that_nobody_can_be_asked_about_keeps_nobody_awake(node: CoreDriver) -> None:
    """A line of somebody unknown is tried again when a row comes, which may happen without a
    link."""
    node.frames(pack_relayed(2, said(5, "I am new", sender_index=8)))
    node.lose_link()
    (hail,) = BOB.again().session_with(node.alice).sessions.hail(node.alice.id, now=0.0)
    node.hears(hail, BOB.home)
    node.pass_time(60.0)


def test_a_line_before_the_table_of_a_new_life_of_the_registry_names_nobody(
    node: CoreDriver,
) -> None:
    """Sender indexes are assigned anew at each start of the registry: bob's may be carol's now
    (clause 8.1)."""
    node.lose_link()
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0), MailBatch([], more=False))
    node.frames(pack_relayed(1, said(5, "hi")))
    assert texts(node) == []
    since = [request.since for request in node.asked() if isinstance(request, FetchTable)]
    rows = raw(BOB.row(101, sender_index=9), CAROL.row(102, sender_index=7))
    node.told(TablePage(since[-1], 102, more=False, rows=rows))
    (line,) = (event for event in node.saw() if isinstance(event, events.Said))
    assert (line.sender, line.text) == ("carol", "hi")


def test_a_row_that_the_registry_does_not_send_again_keeps_no_sender_index(
    node: CoreDriver,
) -> None:
    """Its disk was put back, and it gives bob's index to carol, whose row comes later than her line
    (clause 8.1)."""
    node.lose_link()
    node.porter.start_again()
    run = 1 << RUN_BITS
    node.register(version=run)
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX + 1, 0), MailBatch([], more=False))
    since = [request.since for request in node.asked() if isinstance(request, FetchTable)]
    assert since == [0]
    node.told(TablePage(since[-1], run, more=False, rows=raw(CAROL.row(run))))
    node.frames(pack_relayed(1, said(5, "hi")))
    assert texts(node) == []
    node.told(TablePage(run, run + 1, more=False, rows=raw(CAROL.row(run + 1, sender_index=7))))
    (line,) = (event for event in node.saw() if isinstance(event, events.Said))
    assert (line.sender, line.text) == ("carol", "hi")


@pytest.mark.parametrize("porter", ["another", "restored"])
def test_sender_indices_on_the_disk_are_not_those_of_another_registry_or_a_restored_one(
    node: CoreDriver, porter: str
) -> None:
    """It does not know bob, and gives his index to carol, whose row comes later than her line
    (clause 3.2)."""
    is_another = porter == "another"
    other = Porter(porter) if is_another else node.porter
    node.disk.apply([RegistryPinned(other.id)])
    again = CoreDriver(disk=node.disk, porter=other, life=2)
    again.start()
    version = 200 if is_another else 50
    again.register(version=version)
    again.attach(CAROL.row(40), version=version)
    again.saw()
    again.frames(pack_relayed(1, said(5, "hi")))
    assert texts(again) == []
    carol = CAROL.row(version + 1, sender_index=7)
    again.told(TablePage(version, version + 1, more=False, rows=raw(carol)))
    (line,) = (event for event in again.saw() if isinstance(event, events.Said))
    assert (line.sender, line.text) == ("carol", "hi")


def test_a_registry_that_grants_another_index_is_asked_for_all_rows(node: CoreDriver) -> None:
    """Clause 8.1: "it forgets all sender indices, and fetches all rows, since version 0, each of
    which counts as newer than those that it has"."""
    assert node.claimed == 0
    for index, since in ((SENDER_INDEX, [100]), (SENDER_INDEX + 1, [0])):
        node.lose_link()
        node.register(version=100)
        node.greet()
        assert node.claimed == SENDER_INDEX
        node.told(GroupGranted(CHANNEL, 1, KEY, index, 0), MailBatch([], more=False))
        assert [one.since for one in node.asked() if isinstance(one, FetchTable)] == since
        if since == [100]:
            node.told(TablePage(100, 100, more=False, rows=[]))
    moved = BOB.row(40, sender_index=7)
    node.told(TablePage(0, 40, more=True, rows=raw(moved)))
    assert node.asked() == [FetchTable(40, is_whole=True)]
    node.lose_link()
    node.register(version=100)
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX + 1, 0), MailBatch([], more=False))
    assert FetchTable(40) in node.asked()
    node.told(TablePage(40, 101, more=False, rows=raw(CAROL.row(101, sender_index=8))))
    assert node.core.table_version == 101
    contacts = node.core.roster.contacts
    for index, who in ((7, BOB), (8, CAROL)):
        contact = contacts.by_sender_index(index)
        assert contact is not None and contact.identity == who.id


def test_sender_indices_last_when_another_server_of_the_registry_lets_us_in(
    node: CoreDriver,
) -> None:
    """It has a card of its own, but the table is the same, and its rows are not sent again (clause
    8.1)."""
    node.lose_link()
    node.porter.start_again()
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0), MailBatch([], more=False))
    since = [request.since for request in node.asked() if isinstance(request, FetchTable)]
    node.told(TablePage(since[-1], since[-1], more=False, rows=[]))
    node.frames(pack_relayed(1, said(5, "hi")))
    (line,) = (event for event in node.saw() if isinstance(event, events.Said))
    assert (line.sender, line.text) == ("bob", "hi")


def test_a_line_held_in_one_life_of_the_registry_is_not_taken_for_somebody_elses_in_the_next(
    node: CoreDriver,
) -> None:
    """The sender's row never came. After a restart the registry gives that index to somebody else,
    and the line another number."""
    node.frames(pack_relayed(1, said(5, "I am new", sender_index=8)))
    node.lose_link()
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0), MailBatch([], more=False))
    since = [request.since for request in node.asked() if isinstance(request, FetchTable)]
    node.told(TablePage(since[-1], 102, more=False, rows=raw(BOB.row(102, sender_index=8))))
    assert texts(node) == []
