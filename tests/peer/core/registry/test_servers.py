"""A registry with several servers: which are asked, which one is used, and which never."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.core.registry.handshake import RegistryServers
from chatapp.peer.core.registry.session import LOOKS_FOR, Notice, RegistrySession, State
from chatapp.wire.address import Address
from chatapp.wire.admission import make_refused
from chatapp.wire.codec import Kind, decode_hello, encode
from chatapp.wire.limits import SERVER_ADDRESSES_MAX
from chatapp.wire.messages.registration import RefusalReason
from tests.peer.core.cast import Porter, Someone

A, B, C = (Address(f"192.0.2.{number}", 5_000) for number in (1, 2, 3))

ADDRESSES = st.lists(
    st.integers(1, 254).map(lambda number: Address(f"192.0.2.{number}", 5_000)),
    min_size=1,
    max_size=16,
)


class Scene:
    """Alice's session with three servers, and the time."""

    def __init__(
        self, *servers: Address, pinned: bytes | None = None, table_version: int = 0
    ) -> None:
        self.alice = Someone("alice")
        self.porter = Porter()
        self.now = 100.0
        self.session = RegistrySession(
            self.alice.context(), addresses=servers or (A, B, C), pinned=pinned
        )
        self.session.use_card(self.alice.card(), first_opening=1)
        self.session.start(table_version=table_version, now=self.now)
        self.hello = b""

    def said(self) -> list[tuple[Kind, Address]]:
        """Return the kinds of what is sent, and to whom."""
        sent = self.session.datagrams_to_send()
        for data, _ in sent:
            if data[0] == Kind.HELLO:
                self.hello = data
        return [(Kind(data[0]), address) for data, address in sent]

    def wait(self, seconds: float) -> list[tuple[float, Kind, Address]]:
        """Return what is sent and when, if nobody answers."""
        began, end, sent = self.now, self.now + seconds, []
        while (due := self.session.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.session.handle_timer(now=self.now)
            sent += [(round(self.now - began, 3), *one) for one in self.said()]
        self.now = end
        return sent

    def cookie(self, source: Address, *, by: Porter | None = None) -> None:
        cookie = (by or self.porter).cookie(self.hello)
        assert self.session.receive_datagram(bytes((Kind.COOKIE,)) + cookie, source, now=self.now)

    def let_in(self, source: Address) -> None:
        """Take COOKIE and WELCOME from this server."""
        self.cookie(source)
        ((register, to),) = self.session.datagrams_to_send()
        assert to == source
        welcome = bytes((Kind.WELCOME,)) + self.porter.welcome(register)
        assert not self.session.receive_datagram(
            welcome, Address("203.0.113.9", 5_000), now=self.now
        )
        assert self.session.receive_datagram(welcome, source, now=self.now)
        assert self.session.state is State.REGISTERED


def test_the_next_server_is_asked_within_half_a_second_and_all_before_the_pause() -> None:
    """Clause 4.11."""
    scene = Scene()
    assert scene.said() == [(Kind.HELLO, A)]
    assert scene.wait(1.0) == [
        (0.5, Kind.HELLO, A),
        (0.5, Kind.HELLO, B),
        (1.0, Kind.HELLO, A),
        (1.0, Kind.HELLO, B),
        (1.0, Kind.HELLO, C),
    ]
    scene.wait(1.5)
    assert scene.session.state is State.PAUSING


@pytest.mark.parametrize(
    ("servers", "table_version", "lost_within"),
    [((A, B), 0, LOOKS_FOR), ((A, B), 7, 2.5), ((A,), 0, 2.5)],
    ids=["several servers", "a table to work with", "one server"],
)
def test_a_newcomer_gives_up_late_where_there_are_several_servers(
    servers: tuple[Address, ...], table_version: int, lost_within: float
) -> None:
    scene = Scene(*servers, table_version=table_version)
    if lost_within == LOOKS_FOR:
        scene.wait(LOOKS_FOR - 0.1)
        assert scene.session.notices() == [Notice.SEARCHING]
        assert not scene.session.is_lost
        scene.wait(0.1)
    else:
        scene.wait(lost_within)
    assert scene.session.notices() == [Notice.LOST]
    scene.wait(60.0)
    assert scene.session.notices() == []
    scene.session.search(now=scene.now)
    scene.said()
    scene.let_in(servers[-1])
    assert scene.session.notices() == [Notice.WELCOMED]


def test_the_server_that_answers_first_is_used_and_no_other_one_is_believed() -> None:
    scene = Scene()
    scene.said()
    scene.wait(0.5)
    scene.let_in(B)
    assert scene.session.address == B
    scene.session.ping(now=scene.now)
    assert {address for _, address in scene.said()} == {B}


def test_a_server_that_answered_is_looked_for_first_when_its_link_breaks() -> None:
    scene = Scene()
    scene.said()
    scene.wait(0.5)
    scene.let_in(B)
    scene.session.note_silence(now=scene.now)
    assert scene.said() == [(Kind.HELLO, B)]
    assert scene.wait(0.5) == [(0.5, Kind.HELLO, B), (0.5, Kind.HELLO, C)]
    scene.let_in(C)


def test_a_server_that_takes_no_link_is_asked_last() -> None:
    scene = Scene()
    scene.said()
    scene.let_in(A)
    scene.session.note_silence(is_unusable=True, now=scene.now)
    assert scene.said() == [(Kind.HELLO, B)]


def test_a_server_that_answers_no_register_is_passed() -> None:
    scene = Scene()
    scene.said()
    scene.cookie(A)
    assert scene.session.state is State.REGISTERING
    sent = scene.wait(3.5)
    sent = [one for one in sent if one[1] is Kind.HELLO]
    assert sent[0][1:] == (Kind.HELLO, B)


def test_a_server_that_is_another_registry_is_told_of_once_and_never_used() -> None:
    scene, stranger = Scene(pinned=Porter().id), Porter("stranger")
    scene.said()
    scene.cookie(A, by=stranger)
    scene.wait(0.5)
    scene.let_in(B)
    assert scene.session.notices() == [Notice.WELCOMED, Notice.FOREIGN_SERVERS]
    assert scene.session.foreign_servers == [(A, stranger.id)]
    for _ in range(2):
        scene.session.note_silence(now=scene.now)
        scene.said()
        scene.cookie(A, by=stranger)
        scene.let_in(B)
        assert scene.session.notices() == [Notice.WELCOMED]


def test_another_registry_at_one_server_while_ours_is_away_is_no_changed_key() -> None:
    scene, stranger = Scene(A, B, pinned=Porter().id), Porter("stranger")
    scene.said()
    scene.wait(0.5)
    scene.let_in(B)
    scene.session.notices()
    scene.session.note_silence(now=scene.now)
    scene.said()
    scene.wait(0.5)
    scene.cookie(A, by=stranger)
    scene.wait(2.0)
    assert scene.session.notices() == [Notice.LOST, Notice.FOREIGN_SERVERS]
    assert scene.session.foreign_servers == [(A, stranger.id)]


def test_another_registry_at_the_server_that_let_us_in_is_a_changed_key() -> None:
    scene, stranger = Scene(A, B), Porter("stranger")
    scene.said()
    scene.wait(0.5)
    scene.let_in(B)
    scene.session.notices()
    scene.session.note_silence(now=scene.now)
    scene.said()
    scene.cookie(B, by=stranger)
    scene.wait(2.5)
    assert scene.session.notices() == [Notice.WRONG_KEY]


def test_a_further_server_may_say_that_our_version_is_wrong() -> None:
    scene = Scene()
    scene.said()
    scene.wait(0.5)
    nonce = decode_hello(scene.hello[1:]).nonce
    refused = make_refused(
        scene.porter.identity, nonce=nonce, reason=RefusalReason.VERSION, name="", counter=9
    )
    data = bytes((Kind.REFUSED,)) + encode(refused)
    assert not scene.session.receive_datagram(data, Address("203.0.113.9", 5_000), now=scene.now)
    assert scene.session.receive_datagram(data, B, now=scene.now)
    assert scene.session.notices() == [Notice.DENIED]
    assert scene.session.denied is RefusalReason.VERSION


def test_another_registry_at_all_servers_is_a_changed_key_as_with_one_server() -> None:
    scene, stranger = Scene(pinned=Porter().id), Porter("stranger")
    scene.said()
    scene.wait(1.0)
    for server in (A, B, C):
        scene.cookie(server, by=stranger)
    scene.wait(1.5)
    assert scene.session.notices() == [Notice.WRONG_KEY]


@given(addresses=ADDRESSES, tries=st.integers(1, 8), turns=st.integers(0, 20))
def test_each_attempt_asks_those_of_the_one_before_and_the_last_asks_all(
    addresses: list[Address], tries: int, turns: int
) -> None:
    servers = RegistryServers(addresses)
    for _ in range(turns):
        servers.pass_on()
    asked = [servers.asked_at(attempt, tries=tries) for attempt in range(1, tries + 1)]
    for before, after in itertools.pairwise(asked):
        assert after[: len(before)] == before
    assert asked[0] == [servers.current]
    if tries > 1:
        assert set(asked[-1]) == set(addresses)
        assert len(asked[1]) >= min(2, len(servers))


@given(
    given=ADDRESSES,
    named=st.lists(st.tuples(st.text(max_size=70), st.integers(0, 65_535)), max_size=30),
)
def test_whatever_a_registry_names_the_servers_of_the_user_stay_and_the_rest_is_bounded(
    given: list[Address], named: list[tuple[str, int]]
) -> None:
    servers = RegistryServers(given)
    servers.name([Address(*one) for one in named])
    assert servers.in_order()[: len(set(given))] == list(dict.fromkeys(given))
    assert len(servers) <= SERVER_ADDRESSES_MAX
    assert all(
        port >= 1_024 and host.isascii() for host, port in (*servers.named, *servers.to_look_up)
    )


def test_named_servers_are_added_and_host_names_wait_for_their_addresses() -> None:
    servers = RegistryServers([A])
    named = [
        Address("192.0.2.2", 5_001),
        Address("standby.example", 5_000),
        Address("bad host", 5_000),
        A,
    ]
    servers.name(named)
    assert servers.in_order() == [A, Address("192.0.2.2", 5_001)]
    assert servers.to_look_up == [Address("standby.example", 5_000)]
    servers.add([C])
    assert servers.in_order() == [A, Address("192.0.2.2", 5_001), C]
