"""The peer's registration: the reaction to each input in each state, authentication, and repeats.

Time is a number; the test plays the registry.
"""

import itertools
from collections.abc import Callable

import msgspec
import pytest

from chatapp.peer.core.registry.session import TRANSITIONS, Input, Notice, RegistrySession, State
from chatapp.wire.address import Address
from chatapp.wire.admission import CODE_BYTES, JoinCode, make_refused, public_half
from chatapp.wire.codec import Kind, decode_frames, encode
from chatapp.wire.errors import SealError
from chatapp.wire.identity import fingerprint, fingerprint_digits
from chatapp.wire.messages.registration import (
    PROTOCOL_VERSION,
    Leave,
    Left,
    Ping,
    Pong,
    RefusalReason,
)
from tests.peer.core.cast import SERVER, Porter, Someone, hello_of, register_of

ASKING = {State.GREETING, State.REGISTERING, State.LEAVING}
RESTING = {State.OFFLINE, State.REFUSED}


class Scene:
    """Alice's session, a registry, and the time."""

    def __init__(self, *, pinned: bytes | None = None) -> None:
        self.alice = Someone("alice")
        self.porter = Porter()
        self.now = 100.0
        self.session = RegistrySession(self.alice.context(), addresses=[SERVER], pinned=pinned)
        self.session.use_card(self.alice.card(), first_opening=1)

    @property
    def state(self) -> State:
        return self.session.state

    def start(self) -> bytes:
        """Returns the HELLO."""
        self.session.start(table_version=0, now=self.now)
        return self.said()

    def said(self) -> bytes:
        """Return the one datagram that the session sends."""
        ((datagram, address),) = self.session.datagrams_to_send()
        assert address == self.session.address
        return datagram

    def greet(self, hello: bytes) -> bytes:
        """Deliver the right COOKIE; return the REGISTER."""
        self.session.receive_cookie(self.porter.cookie(hello), SERVER, now=self.now)
        return self.said()

    def register(self) -> None:
        """Register, from any state."""
        self.let_in(self.start())

    def let_in(self, hello: bytes) -> None:
        """COOKIE, REGISTER, WELCOME."""
        register = self.greet(hello)
        self.session.receive_welcome(self.porter.welcome(register), now=self.now)
        assert self.session.state is State.REGISTERED

    def pass_time(self, span: float) -> list[tuple[float, bytes]]:
        """Return what is sent and when, if nobody answers."""
        sent = []
        began, end = self.now, self.now + span
        while (due := self.session.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.session.handle_timer(now=self.now)
            sent += [
                (round(self.now - began, 3), one) for one, _ in self.session.datagrams_to_send()
            ]
        self.now = end
        return sent

    def search(self) -> bytes:
        """Let time pass until the registry is looked for; returns the HELLO."""
        while True:
            for _, datagram in self.pass_time(0.1):
                if datagram[0] == Kind.HELLO:
                    return datagram

    def told(self) -> list[Notice]:
        return self.session.notices()


def test_each_input_in_each_state_does_what_the_table_says() -> None:
    for before, occurrence in itertools.product(State, Input):
        scene = Scene()
        scene.register()
        scene.session.state = before
        scene.session._step(occurrence, scene.now)
        after = TRANSITIONS.get((before, occurrence), before)
        assert scene.state is after, (before, occurrence)
        if (before, occurrence) not in TRANSITIONS:
            continue
        has_asked = bool(scene.session.datagrams_to_send())
        assert has_asked is (after in ASKING), (before, occurrence)
        assert (scene.session.next_timer() is None) is (after in RESTING), (before, occurrence)


def test_a_cookie_that_the_registry_does_not_take_back_is_renewed_once() -> None:
    """Clause 4.3: it was restarted since, or another node has taken over."""
    scene = Scene()
    hello = scene.start()
    scene.greet(hello)
    for other in (b"d" * 16, b"e" * 16):
        scene.session.receive_cookie(
            scene.porter.cookie(hello, cookie=other), SERVER, now=scene.now
        )
    ((register, _),) = scene.session.datagrams_to_send()
    assert register_of(register).cookie == b"d" * 16
    scene.session.receive_welcome(scene.porter.welcome(register), now=scene.now)
    assert scene.state is State.REGISTERED


def test_the_same_cookie_again_renews_nothing() -> None:
    """The HELLO was sent twice, or to several servers."""
    scene = Scene()
    hello = scene.start()
    scene.greet(hello)
    scene.session.receive_cookie(scene.porter.cookie(hello), SERVER, now=scene.now)
    elsewhere = Address("5.5.5.5", 555)
    other = scene.porter.cookie(hello, cookie=b"d" * 16)
    scene.session.receive_cookie(other, elsewhere, now=scene.now)
    stranger = Porter("another")
    scene.session.receive_cookie(stranger.cookie(hello, cookie=b"d" * 16), SERVER, now=scene.now)
    assert scene.session.datagrams_to_send() == []


def test_no_state_but_the_resting_ones_lasts_without_an_answer() -> None:
    for state in State:
        by_time = {TRANSITIONS.get((state, one)) for one in (Input.UNANSWERED, Input.PAUSED)} - {
            None
        }
        assert bool(by_time) is (state is not State.OFFLINE), state  # a refusal may end


def test_a_hello_is_tried_five_times_half_a_second_apart() -> None:
    """Clause 4.6."""
    scene = Scene()
    first = scene.start()
    sent = scene.pass_time(2.49)
    assert [at for at, _ in sent] == [0.5, 1.0, 1.5, 2.0]
    assert {hello_of(one).nonce for _, one in sent} == {hello_of(first).nonce}
    assert scene.told() == []
    scene.pass_time(0.01)
    assert scene.told() == [Notice.LOST]
    assert scene.state is State.PAUSING


def test_a_register_is_tried_five_times_half_a_second_apart() -> None:
    """Clause 4.6."""
    scene = Scene()
    register = scene.greet(scene.start())
    sent = scene.pass_time(2.49)
    assert [at for at, _ in sent] == [0.5, 1.0, 1.5, 2.0]
    assert {register_of(one).nonce for _, one in sent} == {register_of(register).nonce}
    scene.pass_time(0.01)
    assert scene.told() == [Notice.LOST]


@pytest.mark.parametrize(("took", "span"), [(0.2, 0.5), (0.6, 0.9), (1.9, 2.0)])
def test_a_register_waits_longer_where_the_hello_was_answered_late(
    took: float, span: float
) -> None:
    """Clause 4.6."""
    scene = Scene()
    hello = scene.start()
    scene.pass_time(took)
    scene.greet(hello)
    sent = scene.pass_time(5 * span - 0.01)
    assert [at for at, _ in sent] == pytest.approx([span, 2 * span, 3 * span, 4 * span])
    scene.pass_time(0.02)
    assert scene.told() == [Notice.LOST]


def test_a_server_that_was_asked_late_is_not_slow_for_it() -> None:
    other = Address("192.0.2.99", 5_000)
    scene = Scene()
    scene.session.servers.add([other])
    hello = scene.start()
    scene.pass_time(0.6)
    scene.session.receive_cookie(scene.porter.cookie(hello), other, now=scene.now)
    assert scene.session.address == other
    scene.session.datagrams_to_send()
    assert [at for at, _ in scene.pass_time(0.6)] == [0.5]


def test_each_search_has_a_nonce_of_its_own_and_none_is_later_than_five_seconds() -> None:
    scene = Scene()
    scene.start()
    hellos = [(at, hello_of(one).nonce) for at, one in scene.pass_time(120.0)]
    first_of = {nonce: at for at, nonce in reversed(hellos)}
    starts = sorted(first_of.values())
    assert len(starts) > 15
    assert max(later - before for before, later in itertools.pairwise(starts)) <= 2.5 + 4.5


def test_lost_is_said_once_and_then_that_it_is_back() -> None:
    scene = Scene()
    scene.register()
    assert scene.told() == [Notice.WELCOMED]
    scene.pass_time(60.0)
    assert scene.told() == [Notice.SILENT, Notice.LOST]
    scene.let_in(scene.search())
    assert scene.told() == [Notice.WELCOMED]
    assert not scene.session.is_lost


@pytest.mark.parametrize("forge", ["nonce", "card"])
def test_a_forged_cookie_is_ignored(forge: str) -> None:
    scene = Scene()
    hello = scene.start()
    if forge == "card":
        scene.porter.card = msgspec.structs.replace(scene.porter.card, counter=99)
    cookie = scene.porter.cookie(hello, nonce=b"n" * 16 if forge == "nonce" else None)
    scene.session.receive_cookie(cookie, SERVER, now=scene.now)
    assert scene.state is State.GREETING


def forged_welcome(scene: Scene, register: bytes) -> None:
    scene.session.receive_welcome(
        scene.porter.welcome(register, by=scene.alice.identity), now=scene.now
    )


def forged_refusal(scene: Scene, register: bytes) -> None:
    refused = scene.porter.refused(register, RefusalReason.NAME_TAKEN, by=scene.alice.identity)
    scene.session.receive_refused(refused, now=scene.now)


def recorded_welcome(scene: Scene, register: bytes) -> None:
    old = Scene()
    old.session._ctx.rng.seed(99)
    scene.session.receive_welcome(old.porter.welcome(old.greet(old.start())), now=scene.now)


@pytest.mark.parametrize("come", [forged_welcome, forged_refusal, recorded_welcome])
def test_a_forged_or_recorded_answer_is_ignored(come: Callable[[Scene, bytes], None]) -> None:
    """Clauses 4.4 and 4.5."""
    scene = Scene()
    come(scene, scene.greet(scene.start()))
    assert scene.state is State.REGISTERING
    assert scene.session.pinned is None
    assert scene.told() == []


def version_refused(
    scene: Scene, hello: bytes, *, by: Someone | None = None, version: int = PROTOCOL_VERSION + 1
) -> None:
    """REFUSED in answer to a HELLO."""
    author = scene.porter.identity if by is None else by.identity
    refused = make_refused(
        author,
        nonce=hello_of(hello).nonce,
        reason=RefusalReason.VERSION,
        name="",
        counter=version,
    )
    scene.session.receive_refused(encode(refused), now=scene.now)


def test_a_registry_of_another_version_says_so_to_a_hello() -> None:
    """Clause 4.5. Else its user would read that nobody answers."""
    scene = Scene(pinned=Porter().id)
    version_refused(scene, scene.start())
    assert scene.state is State.REFUSED
    assert scene.told() == [Notice.DENIED]
    assert scene.session.denied is RefusalReason.VERSION


def test_a_registry_of_our_version_has_received_a_damaged_hello() -> None:
    """Clause 4.5."""
    scene = Scene(pinned=Porter().id)
    version_refused(scene, scene.start(), version=PROTOCOL_VERSION)
    assert scene.state is State.GREETING


def test_nobody_else_says_so_where_the_registry_is_known() -> None:
    scene = Scene(pinned=Porter().id)
    version_refused(scene, scene.start(), by=Someone("mallory"))
    assert scene.state is State.GREETING


def test_a_registry_that_comes_back_in_another_version_is_as_good_as_away() -> None:
    scene = Scene()
    scene.register()
    scene.told()
    scene.session.note_silence(now=scene.now)
    version_refused(scene, scene.said())
    assert scene.state is State.GREETING
    scene.pass_time(2.5)
    assert scene.told() == [Notice.LOST]


def test_a_refusal_by_the_registry_ends_the_tries() -> None:
    scene = Scene()
    register = scene.greet(scene.start())
    scene.session.receive_refused(scene.porter.refused(register, RefusalReason.FULL), now=scene.now)
    assert scene.told() == [Notice.DENIED]
    assert scene.session.denied is RefusalReason.FULL
    assert scene.pass_time(60.0) == []


def test_a_refusal_with_an_end_is_waited_for_and_no_longer() -> None:
    """Clause 4.5."""
    scene = Scene()
    register = scene.greet(scene.start())
    kicked = scene.porter.refused(register, RefusalReason.KICKED, seconds=60, text="cool down")
    scene.session.receive_refused(kicked, now=scene.now)
    assert scene.told() == [Notice.DENIED]
    assert (scene.session.denied_for, scene.session.denied_text) == (60, "cool down")
    assert scene.pass_time(59.9) == []
    said = scene.pass_time(1.2)
    assert said[0][1][0] == Kind.HELLO
    assert scene.state is State.GREETING


def test_who_goes_offline_while_refused_stays_so() -> None:
    scene = Scene()
    register = scene.greet(scene.start())
    kicked = scene.porter.refused(register, RefusalReason.KICKED, seconds=60)
    scene.session.receive_refused(kicked, now=scene.now)
    scene.told()
    scene.session.leave(now=scene.now)
    assert scene.told() == [Notice.LEFT]
    assert scene.pass_time(120.0) == []


def test_the_first_registry_that_lets_us_in_is_pinned() -> None:
    """Clause 3.5."""
    scene = Scene()
    scene.register()
    assert scene.session.pinned == scene.porter.id


def test_another_key_than_the_pinned_one_counts_only_when_all_tries_are_over() -> None:
    scene = Scene(pinned=Porter().id)
    stranger = Porter("stranger")
    scene.session.receive_cookie(stranger.cookie(scene.start()), SERVER, now=scene.now)
    assert scene.state is State.GREETING
    assert scene.told() == []
    scene.pass_time(2.5)
    assert scene.told() == [Notice.WRONG_KEY]
    assert scene.session.stranger == stranger.id
    assert scene.session.pinned == Porter().id


def test_a_registry_whose_key_the_user_named_is_the_only_one_whatever_is_pinned() -> None:
    scene = Scene(pinned=Porter("former").id)
    scene.session.demand(fingerprint_digits(Porter().id))
    assert scene.session.expected == fingerprint(Porter().id)
    hello = scene.start()
    for other in ("former", "stranger"):
        scene.session.receive_cookie(Porter(other).cookie(hello), SERVER, now=scene.now)
        assert scene.state is State.GREETING
    scene.let_in(hello)
    assert scene.session.pinned == Porter().id


def test_a_stranger_is_named_until_the_right_registry_answers() -> None:
    scene = Scene()
    scene.session.demand(fingerprint_digits(Porter().id))
    stranger = Porter("stranger")
    scene.session.receive_cookie(stranger.cookie(scene.start()), SERVER, now=scene.now)
    scene.pass_time(2.5)
    assert scene.told() == [Notice.WRONG_KEY]
    assert scene.session.stranger == stranger.id
    scene.register()
    assert scene.session.stranger is None


CHANCE = bytes(range(CODE_BYTES))


def test_a_code_is_shown_to_the_registry_that_made_it_and_names_its_key() -> None:
    scene = Scene()
    code = JoinCode.generate(CHANCE, registry=Porter().id)
    scene.session.use_code(code)
    hello = scene.start()
    scene.session.receive_cookie(Porter("stranger").cookie(hello), SERVER, now=scene.now)
    assert scene.state is State.GREETING, "nobody else is the registry at the first contact"
    register = scene.greet(hello)
    assert public_half(register_of(register).invitation) == code.public
    scene.session.receive_welcome(scene.porter.welcome(register), now=scene.now)
    assert scene.session.is_key_named


def test_a_code_of_another_registry_than_answers_is_told_at_the_first_contact() -> None:
    scene = Scene()
    scene.session.use_code(JoinCode.generate(CHANCE, registry=Porter("elsewhere").id))
    scene.session.receive_cookie(scene.porter.cookie(scene.start()), SERVER, now=scene.now)
    scene.pass_time(2.5)
    assert scene.told() == [Notice.WRONG_CODE]
    assert scene.session.stranger == scene.porter.id


def test_a_code_of_another_registry_is_not_shown_to_the_known_one() -> None:
    scene = Scene(pinned=Porter().id)
    scene.session.use_code(JoinCode.generate(CHANCE, registry=Porter("elsewhere").id))
    assert register_of(scene.greet(scene.start())).invitation == b""
    assert scene.session.is_code_foreign


def test_an_announced_key_has_to_be_proved_at_the_first_contact_and_was_named_by_nobody() -> None:
    scene = Scene()
    scene.session.expect_announced(fingerprint_digits(Porter().id))
    assert scene.session.expected == fingerprint(Porter().id)
    assert scene.session.is_expected_as_announced
    hello = scene.start()
    scene.session.receive_cookie(Porter("announcer").cookie(hello), SERVER, now=scene.now)
    assert scene.state is State.GREETING
    scene.let_in(hello)
    assert scene.session.pinned == Porter().id
    assert not scene.session.is_key_named


def test_an_announcer_with_another_key_is_told_like_any_stranger() -> None:
    scene = Scene()
    scene.session.expect_announced(fingerprint_digits(Porter("true").id))
    scene.session.receive_cookie(scene.porter.cookie(scene.start()), SERVER, now=scene.now)
    scene.pass_time(2.5)
    assert scene.told() == [Notice.WRONG_KEY]
    assert scene.session.stranger == scene.porter.id


def test_an_announced_key_takes_the_place_of_no_pinned_one() -> None:
    scene = Scene(pinned=Porter().id)
    scene.session.expect_announced(fingerprint_digits(Porter("announcer").id))
    assert scene.session.expected == fingerprint(Porter().id)
    assert not scene.session.is_expected_as_announced
    hello = scene.start()
    scene.session.receive_cookie(Porter("announcer").cookie(hello), SERVER, now=scene.now)
    assert scene.state is State.GREETING
    scene.let_in(hello)


def test_an_announced_key_does_not_get_a_code_of_another_registry() -> None:
    scene = Scene()
    scene.session.use_code(JoinCode.generate(CHANCE, registry=Porter("true").id))
    scene.session.expect_announced(fingerprint_digits(scene.porter.id))
    assert not scene.session.is_expected_as_announced
    scene.session.receive_cookie(scene.porter.cookie(scene.start()), SERVER, now=scene.now)
    assert scene.state is State.GREETING
    scene.pass_time(2.5)
    assert scene.told() == [Notice.WRONG_CODE]


def test_the_pinned_registry_is_heard_though_another_answered_first() -> None:
    scene = Scene(pinned=Porter().id)
    hello = scene.start()
    scene.session.receive_cookie(Porter("stranger").cookie(hello), SERVER, now=scene.now)
    scene.let_in(hello)
    scene.told()
    scene.pass_time(15.0)
    assert scene.told() == [
        Notice.SILENT,
        Notice.LOST,
    ]  # and not that a stranger answered, which was long ago


def test_a_stranger_in_the_registrys_place_is_told_once_and_the_registry_counts_as_lost() -> None:
    scene = Scene(pinned=Porter().id)
    stranger = Porter("stranger")
    said = [(0.0, scene.start())]
    while scene.now < 160.0:
        for _, hello in said:
            scene.session.receive_cookie(stranger.cookie(hello), SERVER, now=scene.now)
        said = scene.pass_time(0.5)
    assert scene.told() == [Notice.WRONG_KEY]
    assert scene.session.is_lost


def test_a_ping_is_sent_every_third_of_the_lease_and_repeated_until_it_is_answered() -> None:
    scene = Scene()
    scene.register()
    sent = scene.pass_time(11.4)
    assert [at for at, _ in sent] == [10.0, 10.5, 11.0]
    pings = [scene.porter.opened(one)[0] for _, one in sent]
    assert len(set(map(repr, pings))) == 1  # one question
    (ping,) = {one for one in pings if isinstance(one, Ping)}
    scene.session.receive_pong(Pong(ping.reference, 9), now=scene.now)
    assert scene.session.known_version == 9
    assert [at for at, _ in scene.pass_time(10.0)] == [10.0]


def test_an_answer_to_another_ping_does_not_count() -> None:
    scene = Scene()
    scene.register()
    ((_, sent),) = scene.pass_time(10.0)
    (ping,) = scene.porter.opened(sent)
    assert isinstance(ping, Ping)
    scene.session.receive_pong(Pong(ping.reference ^ 1, 0), now=scene.now)
    scene.told()
    scene.pass_time(2.5)
    assert scene.told() == [Notice.SILENT]


def test_a_registry_that_answers_no_ping_gets_a_hello_before_it_counts_as_lost() -> None:
    """The registry may have forgotten our session, and answers a HELLO at once."""
    scene = Scene()
    scene.register()
    scene.told()
    sent = scene.pass_time(13.0)
    assert scene.told() == [Notice.SILENT]
    assert not scene.session.is_lost
    scene.let_in(sent[-1][1])
    assert scene.told() == [Notice.WELCOMED]


def test_leaving_is_tried_five_times_and_then_done_without_an_answer() -> None:
    scene = Scene()
    scene.register()
    scene.told()
    scene.session.leave(now=scene.now)
    first = scene.said()
    sent = scene.pass_time(2.5)
    assert [at for at, _ in sent] == [0.5, 1.0, 1.5, 2.0]
    frames = [scene.porter.opened(one) for one in (first, *(one for _, one in sent))]
    assert all(isinstance(frame, Leave) for (frame,) in frames)
    assert scene.told() == [Notice.LEAVE_UNANSWERED]
    assert scene.state is State.OFFLINE
    assert scene.pass_time(60.0) == []


def test_leaving_is_over_when_the_registry_has_confirmed_it() -> None:
    scene = Scene()
    scene.register()
    scene.told()
    scene.session.leave(now=scene.now)
    (leave,) = scene.porter.opened(scene.said())
    assert isinstance(leave, Leave)
    scene.session.receive_left(Left(leave.reference ^ 1), now=scene.now)
    assert scene.told() == []
    scene.session.receive_left(Left(leave.reference), now=scene.now)
    assert scene.told() == [Notice.LEFT]
    assert scene.state is State.OFFLINE


class TestLeavingARegistryThatIsBelievedAway:
    @pytest.fixture
    def scene(self) -> Scene:
        """The registry has answered nothing for a minute."""
        scene = Scene()
        scene.register()
        scene.pass_time(60.0)
        scene.told(), scene.session.datagrams_to_send()
        assert scene.session.is_lost
        return scene

    def test_it_is_tried_five_times_before_that_is_told(self, scene: Scene) -> None:
        scene.session.leave(now=scene.now)
        (leave, _), (hello, _) = scene.session.datagrams_to_send()
        assert isinstance(scene.porter.opened(leave)[0], Leave)
        assert hello[0] == Kind.HELLO
        assert len(scene.pass_time(2.49)) == 2 * 4
        assert scene.told() == []
        scene.pass_time(0.01)
        assert scene.told() == [Notice.LEAVE_UNANSWERED]
        assert scene.pass_time(60.0) == []

    def test_it_may_answer_after_all(self, scene: Scene) -> None:
        scene.session.leave(now=scene.now)
        (leave, _), (hello, _) = scene.session.datagrams_to_send()
        scene.session.receive_cookie(scene.porter.cookie(hello), SERVER, now=scene.now)
        assert scene.told() == [], "whether it knows our session is to be seen"
        (said,) = scene.porter.opened(leave)
        assert isinstance(said, Leave)
        scene.session.receive_left(Left(said.reference), now=scene.now)
        assert scene.told() == [Notice.LEFT]

    def test_it_may_be_there_in_another_life(self, scene: Scene) -> None:
        scene.session.leave(now=scene.now)
        _, (hello, _) = scene.session.datagrams_to_send()
        scene.porter.card = Someone("registry", life=2).card(name="")
        scene.session.receive_cookie(scene.porter.cookie(hello), SERVER, now=scene.now)
        assert scene.told() == [Notice.LEFT]
        assert scene.state is State.OFFLINE

    def test_another_one_in_its_place_says_nothing(self, scene: Scene) -> None:
        scene.session.leave(now=scene.now)
        _, (hello, _) = scene.session.datagrams_to_send()
        scene.session.receive_cookie(Porter("stranger").cookie(hello), SERVER, now=scene.now)
        assert scene.told() == []


def test_a_lost_registry_that_somebody_waits_for_is_looked_for_at_once() -> None:
    scene = Scene()
    scene.register()
    assert not scene.session.search(now=scene.now), "it is not lost"
    scene.pass_time(15.0)
    while scene.state is not State.PAUSING:
        scene.pass_time(0.1)
    scene.session.datagrams_to_send()
    assert scene.session.search(now=scene.now)
    assert scene.said()[0] == Kind.HELLO
    assert scene.session.search(now=scene.now), "one attempt is enough"
    assert scene.session.datagrams_to_send() == []
    scene.pass_time(2.49)
    assert scene.session.is_wanted
    scene.pass_time(0.01)
    assert not scene.session.is_wanted


def test_a_peer_that_was_never_registered_need_not_leave() -> None:
    scene = Scene()
    scene.start()
    scene.session.leave(now=scene.now)
    assert scene.told() == [Notice.LEAVE_UNANSWERED]
    assert scene.state is State.OFFLINE


def test_a_new_card_is_shown_without_being_lost_in_between() -> None:
    scene = Scene()
    scene.register()
    scene.told()
    renewed = scene.alice.again()
    scene.session.use_card(renewed.card(), first_opening=2)
    hello = scene.start()
    assert not scene.session.is_lost
    register = scene.greet(hello)
    assert register_of(register).card == renewed.card()
    scene.session.receive_welcome(scene.porter.welcome(register), now=scene.now)
    assert scene.told() == [Notice.WELCOMED]
    ((_, ping),) = scene.pass_time(10.0)
    assert scene.porter.opened(ping)


def test_each_registration_has_sessions_of_its_own() -> None:
    """Clause 5.2: the nonce is their context, so nothing of an earlier registration opens."""
    scene = Scene()
    scene.register()
    pings: list[bytes] = []
    for _ in range(3):
        ((_, ping),) = scene.pass_time(10.0)
        assert ping[0] == Kind.OPENING
        assert scene.porter.opened(ping)
        for before in pings:
            with pytest.raises(SealError):
                scene.porter.opened(before)
        pings.append(ping)
        scene.session.note_silence(now=scene.now)
        scene.let_in(scene.said())


def test_a_registry_that_answers_shares_one_session_for_many_pings() -> None:
    scene = Scene()
    scene.register()
    kinds = []
    for _ in range(4):
        ((_, sent),) = scene.pass_time(10.0)
        kinds.append(Kind(sent[0]))
        (ping,) = scene.porter.opened(sent)
        assert isinstance(ping, Ping)
        pong = scene.porter.sealed(Pong(ping.reference, 9))
        assert scene.session.is_ours(pong)
        (answer,) = decode_frames(scene.session.open(pong, now=scene.now))
        assert isinstance(answer, Pong)
        scene.session.receive_pong(answer, now=scene.now)
    assert kinds == [Kind.OPENING, Kind.SEALED, Kind.SEALED, Kind.SEALED]


def test_a_late_timer_sends_one_datagram_and_no_burst() -> None:
    scene = Scene()
    scene.start()
    for late in (1_000.0, 2_000.0):
        scene.session.handle_timer(now=late)
        assert len(scene.session.datagrams_to_send()) == 1
        scene.session.handle_timer(now=late)
        assert scene.session.datagrams_to_send() == []


@pytest.mark.parametrize("early", [0.0, 0.1, 0.499])
def test_an_early_timer_does_nothing(early: float) -> None:
    scene = Scene()
    scene.start()
    scene.session.handle_timer(now=scene.now + early)
    assert scene.session.datagrams_to_send() == []
