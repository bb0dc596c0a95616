"""The core as a whole: resistance to strangers, and decisions that involve several parts."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person as in_person
from chatapp.peer.core import core
from chatapp.peer.core.context import LookUp, RegistryReach
from chatapp.peer.core.records import OutgoingAdded, RowsSaved
from chatapp.peer.core.registry.session import LOOKS_FOR
from chatapp.wire.address import Address
from chatapp.wire.codec import Kind, encode, join_frames
from chatapp.wire.errors import TextTooLong
from chatapp.wire.identity import is_table_signed, sign_table
from chatapp.wire.limits import TEXT_MAX
from chatapp.wire.messages.direct import Ack, DatagramRelayed, DirectBody, Part, RelayDatagram
from chatapp.wire.messages.mail import DepositMail
from chatapp.wire.messages.registration import Leave, Left
from chatapp.wire.messages.table import FetchTable, TablePage
from chatapp.wire.sealing import GroupKey
from tests.peer.core.cast import POLICY, SERVER, Porter, Someone, raw
from tests.peer.core.core_driver import KEY, CoreDriver
from tests.support.promise.timers import deadlines
from tests.support.screen import is_now
from tests.support.strategies import any_message

BOB = Someone("bob")
STRANGE = Address("6.6.6.6", 666)


@pytest.fixture
def node() -> CoreDriver:
    """Return a registered core with a link, which knows bob."""
    node = CoreDriver()
    node.come_in(node.alice.row(1), BOB.row(2))
    node.saw()
    return node


def kinds(seen: list[events.Event]) -> list[type[events.Event]]:
    return [type(event) for event in seen]


# --- strangers

NODE = CoreDriver()
NODE.come_in(NODE.alice.row(1), BOB.row(2))
BOBS = BOB.session_with(NODE.alice)


@given(
    st.sampled_from([SERVER, STRANGE, BOB.home]),
    st.integers(0, 12),
    any_message() | st.binary(max_size=99),
)
def test_no_datagram_of_a_stranger_raises_is_answered_or_changes_anything(
    source: Address, kind: int, body: bytes
) -> None:
    NODE.datagrams.clear()
    before = (NODE.core.state, NODE.core.reach, NODE.core.people(), NODE.core.table_version)
    NODE.hears(bytes((kind,)) + body, source)
    NODE.hears(body, source)
    assert NODE.datagrams == []
    assert (NODE.core.state, NODE.core.reach, NODE.core.people(), NODE.core.table_version) == before


@given(any_message())
def test_no_frames_of_somebody_known_raise(body: bytes) -> None:
    """A datagram that opens may still have the wrong content."""
    NODE.hears(BOBS.seal(body), BOB.home)


@given(st.lists(any_message() | st.binary(max_size=99), max_size=3))
def test_no_notice_of_the_registry_raises(bodies: list[bytes]) -> None:
    node = CoreDriver()
    node.come_in(node.alice.row(1), BOB.row(2))
    node.frames(*(node._session.seal(body) for body in bodies))
    node.frames(*(bytes((Kind.GROUP_RELAYED,)) + body for body in bodies))
    node.pass_time(5.0)
    node.frames(*bodies)
    node.pass_time(5.0)


def test_a_member_cannot_silence_the_table_of_others(node: CoreDriver) -> None:
    """Every member has the key of the channel, and could move the window in which the registry's
    counters count."""
    forger = GroupKey("channel", epoch=1, key=KEY)
    forger._counter = 2**62
    node.hears(bytes(forger.seal(0, b"x" * 99)))
    carol = Someone("carol")
    batch = encode(TablePage(100, 101, False, raw(carol.row(101))))
    node.hears(node.key.seal(0, sign_table(node.porter.identity, batch)))
    assert node.core.table_version == 101


def test_a_batch_signed_by_another_key_is_ignored(node: CoreDriver) -> None:
    batch = encode(TablePage(100, 101, False, raw(Someone("carol").row(101))))
    node.hears(node.key.seal(0, sign_table(BOB.identity, batch)))
    node.hears(node.key.seal(0, sign_table(node.porter.identity, batch)), STRANGE)
    assert node.core.table_version == 100


def test_only_a_batch_with_news_is_worth_checking(
    node: CoreDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change is told twice, and a check costs more than all else that is done with a batch."""
    checked: list[bytes] = []

    def check(payload: bytes, *, registry: bytes) -> bool:
        checked.append(payload)
        return is_table_signed(payload, registry=registry)

    monkeypatch.setattr(core, "is_table_signed", check)
    for batch in (
        TablePage(100, 101, False, raw(Someone("carol").row(101))),
        TablePage(101, 101, False, []),
    ):
        node.hears(node.key.seal(0, sign_table(node.porter.identity, encode(batch))))
    assert node.core.table_version == 101
    assert len(checked) == 1


# --- coming in


def test_registered_is_said_once_however_often_it_happens(node: CoreDriver) -> None:
    node.lose_link()
    node.register()
    node.attach(version=101)
    assert kinds(node.saw()) == []
    assert node.core.reach is RegistryReach.UP


class TestARegistryThatWasPutBack:
    """Clause 3.2: its folder is a backup, so its versions begin below what it told before."""

    def put_back(self, node: CoreDriver) -> None:
        node.lose_link()
        node.register(version=50)

    def test_all_that_it_tells_is_taken(self, node: CoreDriver) -> None:
        self.put_back(node)
        node.attach(node.alice.row(1), BOB.row(40, online=False), version=60)
        assert node.core.table_version == 60
        assert ("bob", False) in [(one.name, one.online) for one in node.core.people()]

    def test_a_crash_between_two_pages_loses_no_row_of_the_second(self, node: CoreDriver) -> None:
        self.put_back(node)
        later = CoreDriver(disk=node.disk, porter=node.porter, life=2)
        later.come_in(BOB.row(40, online=False), version=60)
        assert ("bob", False) in [(one.name, one.online) for one in later.core.people()]

    def test_a_batch_that_overtakes_the_welcome_does_not_replace_it(self, node: CoreDriver) -> None:
        node.lose_link()
        while not (hellos := node.sent(Kind.HELLO)):
            node.pass_time(0.1)
        node.hears(bytes((Kind.COOKIE,)) + node.porter.cookie(hellos[-1]))
        batch = encode(TablePage(100, 101, False, raw(Someone("carol").row(101))))
        node.hears(node.key.seal(0, sign_table(node.porter.identity, batch)))
        register = node.sent(Kind.REGISTER)[-1]
        node.hears(bytes((Kind.WELCOME,)) + node.porter.welcome(register, version=100))
        assert node.core.table_version == 101


def test_no_registry_at_all() -> None:
    node = CoreDriver()
    node.start()
    node.pass_time(30.0)
    assert node.saw() == [events.NoServerAtStart(table_time=None)]
    assert node.core.is_ready


def test_none_of_several_servers() -> None:
    """The search is told once, and ends after as many seconds as was said."""
    servers = (SERVER, Address("192.0.2.9", 5_000))
    node = CoreDriver(servers=servers)
    node.start()
    node.pass_time(2.4)
    assert node.saw() == []
    node.pass_time(LOOKS_FOR - 2.5)
    assert node.saw() == [events.SearchingServers(servers=servers, seconds=int(LOOKS_FOR))]
    assert not node.core.is_ready
    node.pass_time(0.1)
    assert node.saw() == [events.NoServerAtStart(table_time=None)]
    assert node.core.is_ready


def test_one_of_several_servers_that_comes_late() -> None:
    """Whoever waits until we are ready goes on waiting until the link is up."""
    node = CoreDriver(servers=(SERVER, Address("192.0.2.9", 5_000)))
    node.start()
    node.pass_time(10.0)
    node.register()
    ready = [node.core.is_ready]
    node.attach(node.alice.row(1))
    assert [*ready, node.core.is_ready] == [False, True]
    assert node.core.reach is RegistryReach.UP
    assert [type(one) for one in node.saw()][:2] == [events.SearchingServers, events.Registered]


def test_no_registry_but_a_table_of_an_earlier_run(node: CoreDriver) -> None:
    later = CoreDriver(disk=node.disk, life=2)
    later.start()
    later.pass_time(30.0)
    (told,) = later.saw()
    assert isinstance(told, events.NoServerAtStart)
    assert told.table_time is not None


def test_no_registry_on_return_but_the_table_of_this_run(node: CoreDriver) -> None:
    """`reg` while the registry is away must not end a program that works without it."""
    node.core.leave(now=node.now)
    node.pass_time(5.0)
    node.saw()
    node.start()
    node.pass_time(5.0)
    (told,) = node.saw()
    assert isinstance(told, events.NoServerAtStart)
    assert told.table_time is not None


def test_another_registry_in_its_place_is_told_once_and_we_go_on_without(node: CoreDriver) -> None:
    node.lose_link()
    node.porter, real = Porter("stranger"), node.porter
    for _ in range(200):
        for hello in node.sent(Kind.HELLO):
            node.hears(bytes((Kind.COOKIE,)) + node.porter.cookie(hello))
        node.pass_time(0.2)
    assert kinds(node.saw()) == [events.RegistryKeyChanged]
    assert node.core.reach is RegistryReach.LOST
    assert node.sealed()  # nobody else tells the others that we are here
    node.porter = real
    node.register()
    assert kinds(node.saw()) == [events.ServerBack]
    assert not any(way.endswith("/Post.next_timer") for way, _ in deadlines(node.core)), (
        "the table tells it now"
    )


def test_the_first_registry_is_pinned_for_later_lives(node: CoreDriver) -> None:
    assert node.disk.load().registry == node.porter.id


# --- leaving and coming back


def test_after_leaving_nothing_is_acknowledged_and_nothing_is_sent(node: CoreDriver) -> None:
    """Nothing is shown after the end: not even messages that came just before, and wait for the
    disk."""
    bobs = BOB.session_with(node.alice)
    before, after = (Part(number, 0, 1, encode(DirectBody(at=0, text="hi"))) for number in (5, 6))
    node.core.receive_datagrams(
        [(bobs.seal(join_frames([encode(before)])), BOB.home)], now=node.now
    )
    node.core.leave(now=node.now)
    node.datagrams.clear()
    node.turn()
    node.hears(bobs.seal(join_frames([encode(after)])), BOB.home)
    node.pass_time(60.0)
    assert [to for _, to in node.datagrams if to != SERVER] == []
    assert events.LeaveUnanswered in kinds(node.saw())


def test_leaving_goes_both_ways_and_is_over_with_the_first_answer(node: CoreDriver) -> None:
    node.asked()
    node.core.leave(now=node.now)
    node.turn()
    (leave,) = [request for request in node.asked() if isinstance(request, Leave)]
    (sealed,) = node.sealed()
    assert node.porter.opened(sealed) == [leave]
    node.hears(node.porter.sealed(Left(leave.reference)))
    assert kinds(node.saw()) == [events.SignedOff]
    assert node.core.wants_link_closed()
    assert node.core.is_offline
    assert node.core.is_settled


def test_a_line_said_right_after_the_return_is_not_given_up(node: CoreDriver) -> None:
    """We have just begun to look for the registry: the time that we were offline by our own wish
    does not count."""
    node.core.leave(now=node.now)
    node.pass_time(60.0)
    node.saw()
    node.start()
    assert node.core.reach is RegistryReach.SEEKING
    node.core.rooms.say_to_all("hello again", now=node.now)
    node.register()
    node.attach(version=101)
    assert kinds(node.saw()) == [events.Registered]
    assert len(node.lines()) == 1


def test_a_line_said_when_the_server_is_back_is_not_given_up(node: CoreDriver) -> None:
    node.lose_link()
    node.pass_time(60.0)
    node.pass_time(5.0)
    node.register()
    assert kinds(node.saw()) == [events.ServerLost, events.ServerBack]
    node.core.rooms.say_to_all("hello again", now=node.now)
    node.attach(version=101)
    assert kinds(node.saw()) == []
    assert len(node.lines()) == 1


# --- names


def test_a_name_is_unknown_when_the_registry_has_said_so(node: CoreDriver) -> None:
    assert node.core.direct.look_up("BOB", now=node.now) is LookUp.KNOWN
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.ASKING
    node.turn()
    assert FetchTable(100) in node.asked()
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.ASKING
    node.told(TablePage(100, 100, more=False, rows=[]))
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.UNKNOWN


def test_a_name_that_the_registry_finds_is_known(node: CoreDriver) -> None:
    node.core.direct.look_up("carol", now=node.now)
    node.turn()
    node.told(TablePage(100, 101, more=False, rows=raw(Someone("carol").row(101))))
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.KNOWN


def test_a_registry_that_does_not_say_is_waited_for_a_while(node: CoreDriver) -> None:
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.ASKING
    node.pass_time(POLICY.give_up_after - 0.01)
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.ASKING
    node.pass_time(0.01)
    assert node.core.direct.look_up("carol", now=node.now) is LookUp.UNANSWERED


def test_a_question_that_nobody_waits_for_any_more_keeps_nobody_awake(node: CoreDriver) -> None:
    node.core.direct.look_up("carol", now=node.now)
    node.pass_time(2 * POLICY.give_up_after, rings_most=20)
    assert (
        node.core.direct.look_up("carol", now=node.now) is LookUp.ASKING
    )  # and is no answer to a later one


# --- texts


def test_a_text_that_cannot_be_sent_is_refused_before_anything_is_begun(node: CoreDriver) -> None:
    node.records.clear()
    for text, error in (("x" * (TEXT_MAX + 1), TextTooLong), ("\ud800", UnicodeEncodeError)):
        with pytest.raises(error):
            node.core.direct.send("bob", text, now=node.now)
        with pytest.raises(error):
            node.core.rooms.say_to_all(text, now=node.now)
    node.turn()
    assert not [record for record in node.records if isinstance(record, OutgoingAdded)]


# --- keys


def test_the_wall_clock_may_jump_while_the_program_runs(node: CoreDriver) -> None:
    before = node.core.direct.send("bob", "one", now=node.now)
    node.core.clock.offset -= 365 * 86_400.0
    after = node.core.direct.send("bob", "two", now=node.now)
    assert after.number == before.number + 1


def test_people_are_by_name_and_built_once_until_somebody_changes(node: CoreDriver) -> None:
    before = node.core.people()
    assert all(node.core.people() is before for _ in range(1_000))
    node.hears(sealed_by_bob(node, Ack(1, [1])), STRANGE)
    assert [before[1].port, node.core.people()[1].port] == [BOB.home.port, STRANGE.port]
    number = node.core.roster.trust.number("bob")
    assert isinstance(number, events.SafetyNumber)
    node.core.roster.trust.accept("bob", number.digits, now=node.now)
    assert [person.is_verified for person in node.core.people()] == [False, True]
    node.told(TablePage(100, 101, more=False, rows=raw(Someone("carol").row(101))))
    assert [person.name for person in node.core.people()] == ["alice", "bob", "carol"]


# --- other people


def sealed_by_bob(node: CoreDriver, *frames: object, life: int = 1) -> bytes:
    bobs = Someone("bob", life=life).session_with(node.alice)
    return bobs.seal(join_frames([encode(frame) for frame in frames]))


def test_an_unanswered_message_is_said_again_with_openings_and_then_relayed(
    node: CoreDriver,
) -> None:
    """Clauses 5.4 and 6.8."""
    begun = node.core.direct.send("bob", "hi", now=node.now)
    seen: list[tuple[float, int]] = []
    began = node.now
    while node.now < began + POLICY.give_up_after:
        node.pass_time(0.25)
        seen += [(node.now - began, data[0]) for data, to in node.datagrams if to == BOB.home]
        node.datagrams.clear()
    assert {kind for _, kind in seen} == {Kind.OPENING}
    assert [at for at, _ in seen if at in (0.5, 1.0, 1.5, 2.0)] == [0.5, 1.0, 1.5, 2.0]
    (relayed, *_) = [request for request in node.asked() if isinstance(request, RelayDatagram)]
    assert relayed.recipient == BOB.id
    node.told(DatagramRelayed(BOB.id, sealed_by_bob(node, Ack(begun.number, [1]))))
    delivered = events.MessageChanged(
        conversation=in_person("bob"),
        id=begun.id,
        state=events.MessageState.DELIVERED,
        through_server=True,
    )
    assert delivered in node.saw()
    assert node.core.is_settled


def test_what_somebody_else_relays_under_a_name_is_dropped(node: CoreDriver) -> None:
    node.told(DatagramRelayed(Someone("carol").id, sealed_by_bob(node, Ack(1, [1]))))
    assert node.core.dropped["frame"] == 1


def test_a_hail_sends_what_waits_afresh_under_a_session_of_the_new_start(node: CoreDriver) -> None:
    """Bob has restarted while the registry was away, and announces it (clause 6.5)."""
    node.core.direct.send("bob", "hi", now=node.now)
    node.pass_time(0.1)
    node.datagrams.clear()
    again = BOB.again().session_with(node.alice)
    (hail,) = again.sessions.hail(node.alice.id, now=0.0)
    node.hears(hail, STRANGE)
    texts = []
    for data, to in node.datagrams:
        assert to == STRANGE  # where he is now
        texts += [payload for payload in (again.open(data),) if payload]
    assert len(texts) == 1


def test_a_body_that_is_none_is_counted_and_not_acknowledged(node: CoreDriver) -> None:
    node.hears(sealed_by_bob(node, Part(5, 0, 1, b"\xc1")), BOB.home)
    assert node.core.dropped["DecodeError"] == 1
    assert [data for data, to in node.datagrams if to == BOB.home] == []


def test_a_person_whose_card_is_forged_is_nobody(node: CoreDriver) -> None:
    row = Someone("carol").row(101, online=False)
    forged = msgspec.structs.replace(row, card=msgspec.structs.replace(row.card, mail=b"m" * 32))
    node.records.clear()
    node.told(TablePage(100, 101, more=False, rows=raw(forged)))
    assert node.core.direct.look_up("carol", now=node.now) is not LookUp.KNOWN
    assert not [record for record in node.records if isinstance(record, RowsSaved) and record.rows]


def test_nothing_is_sent_to_an_invalid_mail_key_and_the_sender_is_told(node: CoreDriver) -> None:
    row = Someone("carol").row(101, online=False, mail=bytes(32))
    node.told(TablePage(100, 101, more=False, rows=raw(row)))
    node.saw()
    node.core.direct.send("carol", "hi", now=node.now)
    node.turn()
    tried, refused = node.saw()
    assert isinstance(tried, events.Unacknowledged)
    assert is_now(refused, events.MessageState.REFUSED)
    assert not [request for request in node.asked() if isinstance(request, DepositMail)]
