"""This file is about our registration: coming in, staying in, being lost, leaving (clauses 4 and 5.4).

One enum, one transition table; an input that a state does not list is ignored, since datagrams come late and twice.
It knows the registry's key and ours; it must not know the table, mail or messages.
"""

import enum
import random
from typing import Final

from peer.core.retry import Backoff, Question
from wire.address import Address
from wire.admission import is_refused_authentic, is_welcome_authentic, make_register
from wire.codec import decode_cookie, decode_refused, decode_welcome, encode, encode_hello, join_frames
from wire.delivery.policy import Policy
from wire.header import Kind
from wire.identity import AgreementKey, Identity, is_authentic
from wire.invitations import JoinCode
from wire.messages.presence import Leave, Left, Ping, Pong
from wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello, RefusalReason, Welcome
from wire.messages.table import Card
from wire.sealing import Session

SEARCH_FIRST: Final = 0.5
SEARCH_LARGEST: Final = 3.0
"""Seconds between searches for a lost registry; jitter makes the longest 4.5: people are back within 5 s of it."""

CHANNELS_KEPT: Final = 64
"""Sealed sessions with the registry that are remembered, so that no nonce is used twice when a live key comes up again:
more than a registry makes in the day that our own live key lasts, so old cards replayed on the path evict none."""


class State(enum.Enum):
    """Where our registration stands."""

    OFFLINE = "not registered, and not trying to be"
    GREETING = "HELLO sent, the COOKIE is awaited"
    REGISTERING = "REGISTER sent, WELCOME or REFUSED is awaited"
    REGISTERED = "the registry knows us and answers"
    PAUSING = "the registry does not answer; the next search is a moment away"
    LEAVING = "LEAVE sent, its answer is awaited"
    REFUSED = "the registry lets us not in"


class Input(enum.Enum):
    """What can happen to a registration."""

    START = "we want to be registered"
    COOKIE = "an authentic COOKIE came"
    WELCOME = "an authentic WELCOME came"
    REFUSED = "an authentic REFUSED came"
    UNANSWERED = "all tries of a question are over"
    PAUSED = "the pause between two searches is over"
    SILENCE = "the link broke or a ping stayed unanswered"
    LEAVE = "we want to be offline"
    LEFT = "the registry confirmed that we left"


TRANSITIONS: Final = {
    (State.OFFLINE, Input.START): State.GREETING,
    (State.REFUSED, Input.START): State.GREETING,
    (State.REGISTERED, Input.START): State.GREETING,
    (State.PAUSING, Input.START): State.GREETING,
    (State.LEAVING, Input.START): State.GREETING,
    (State.GREETING, Input.COOKIE): State.REGISTERING,
    (State.GREETING, Input.REFUSED): State.REFUSED,
    (State.GREETING, Input.UNANSWERED): State.PAUSING,
    (State.GREETING, Input.LEAVE): State.OFFLINE,
    (State.REGISTERING, Input.WELCOME): State.REGISTERED,
    (State.REGISTERING, Input.REFUSED): State.REFUSED,
    (State.REGISTERING, Input.UNANSWERED): State.PAUSING,
    (State.REGISTERING, Input.LEAVE): State.OFFLINE,
    (State.REGISTERED, Input.SILENCE): State.GREETING,
    (State.REGISTERED, Input.UNANSWERED): State.GREETING,
    (State.REGISTERED, Input.LEAVE): State.LEAVING,
    (State.PAUSING, Input.PAUSED): State.GREETING,
    (State.PAUSING, Input.LEAVE): State.OFFLINE,
    (State.LEAVING, Input.LEFT): State.OFFLINE,
    (State.LEAVING, Input.UNANSWERED): State.OFFLINE,
}


class Notice(enum.Enum):
    """What the session tells its owner, in order."""

    WELCOMED = "we are registered (again)"
    DENIED = "we are refused; `denied` says why"
    LOST = "the registry does not answer"
    LEFT = "we left"
    LEAVE_UNANSWERED = "we left without an answer"
    WRONG_KEY = "the registry is lost, and another with a key of its own answers in its place: `stranger`"


class RegistrySession:
    """Our registration at one registry address."""

    def __init__(
        self,
        *,
        identity: Identity,
        address: Address,
        pinned: bytes | None,
        policy: Policy,
        rng: random.Random,
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._rng = rng
        self._question: Question | None = None
        self._next_ping: float | None = None
        self._pause_until: float | None = None
        self._search = Backoff(first=SEARCH_FIRST, largest=SEARCH_LARGEST)
        self._nonce = b""
        self._cookie: Cookie | None = None
        self._card: Card | None = None
        self._live: AgreementKey | None = None
        self._code: JoinCode | None = None
        self._out: list[bytes] = []
        self._sealed: list[Ping | Leave] = []
        self._notices: list[Notice] = []
        self._channels: dict[tuple[bytes, bytes], Session] = {}
        self._warned_of: bytes | None = None
        self.address: Final = address
        self.state = State.OFFLINE
        self.is_lost = False
        self.pinned = pinned
        self.channel: Session | None = None
        self.welcome: Welcome | None = None
        self.denied: RefusalReason | None = None
        self.stranger: bytes | None = None
        self.table_version = 0
        """How far our table goes now: each REGISTER says so, that of a search as well as that of a start."""
        self.known_version = 0
        """The newest table version that the registry spoke of."""

    # --- what we want

    def use_card(self, card: Card, live: AgreementKey) -> None:
        """What to register with from now on."""
        self._card, self._live = card, live

    def use_code(self, code: JoinCode) -> None:
        """Come in with this join code, until we have once been let in."""
        self._code = code

    def start(self, *, table_version: int, now: float) -> None:
        """Register, or register again with a new card."""
        self.table_version, self.is_lost, self._warned_of = table_version, False, None
        self._step(Input.START, now)

    def leave(self, *, now: float) -> None:
        """Go offline and tell the registry."""
        self._step(Input.LEAVE, now)

    def note_silence(self, *, now: float) -> None:
        """The link broke: see at once whether the registry is still there."""
        self._step(Input.SILENCE, now)

    def ping(self, *, now: float) -> None:
        """Ask for a sign of life now; silence is noticed `give_up_after` later."""
        if self.state is State.REGISTERED and self._question is None:
            self._ask(now)

    # --- what comes in

    def receive_cookie(self, data: bytes, *, now: float) -> None:
        """A COOKIE. Raises DecodeError; anything that does not fit our HELLO is ignored."""
        cookie = decode_cookie(data)
        if self.state is not State.GREETING or cookie.nonce != self._nonce or not is_authentic(cookie.card):
            return
        if self.pinned is not None and cookie.card.identity != self.pinned:
            self.stranger = cookie.card.identity
            return
        self._cookie, self.stranger = cookie, None
        self._step(Input.COOKIE, now)

    def receive_welcome(self, data: bytes, *, now: float) -> None:
        """A WELCOME. Raises DecodeError, SealError."""
        welcome = decode_welcome(data)
        if self.state is not State.REGISTERING or welcome.nonce != self._nonce or self._cookie is None:
            return
        card = self._cookie.card
        if not is_welcome_authentic(welcome, registry=card.identity, identity=self._identity.public):
            return
        self.pinned = card.identity
        self.accept_card(card)
        self.welcome, self._code = welcome, None
        self.known_version = welcome.table_version
        self._step(Input.WELCOME, now)

    def receive_refused(self, data: bytes, *, now: float) -> None:
        """A REFUSED. Raises DecodeError."""
        refused = decode_refused(data)
        if refused.nonce != self._nonce or not self._may_refuse(refused.reason):
            return
        # Who has pinned nobody yet believes whoever knows the nonce, as it would believe their COOKIE.
        registry = (
            self._cookie.card.identity if self.state is State.REGISTERING and self._cookie else self.pinned
        )
        if registry is None or is_refused_authentic(refused, registry=registry):
            self.denied = refused.reason
            self._step(Input.REFUSED, now)

    def _may_refuse(self, reason: RefusalReason) -> bool:
        """A REGISTER may be refused for any reason; a HELLO for its version, unless we were welcome here in this life:
        then the registry is as good as away, and direct chat goes on."""
        if self.state is State.REGISTERING:
            return True
        return self.state is State.GREETING and reason is RefusalReason.VERSION and self.welcome is None

    def receive_pong(self, pong: Pong, *, now: float) -> None:
        """The registry lives."""
        self.known_version = max(self.known_version, pong.table_version)
        question = self._question
        if self.state is State.REGISTERED and question is not None and pong.reference == question.reference:
            self._question = None
            self._next_ping = now + self._ping_span()

    def receive_left(self, left: Left, *, now: float) -> None:
        """The registry has taken our leave."""
        if self._question is not None and left.reference == self._question.reference:
            self._step(Input.LEFT, now)

    def accept_card(self, card: Card) -> None:
        """The registry's card, new, renewed or the same. Raises SealError when its live key is no good.

        Who meets the same two live keys again goes on with the session that they had: a new one would seal under
        counters that were used before, and the registry would take all of it for replays (clause 5.2)."""
        assert self._live is not None
        pair = (self._live.public, card.live)
        channel = self._channels.pop(pair, None) or Session(
            live=self._live,
            identity=self._identity.public,
            their_live=card.live,
            their_identity=card.identity,
        )
        self.channel = self._channels[pair] = channel
        while len(self._channels) > CHANNELS_KEPT:
            del self._channels[next(iter(self._channels))]

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Ask again, give up, search again or ping, as far as each is due."""
        if self._pause_until is not None and now >= self._pause_until:
            self._step(Input.PAUSED, now)
        if self._next_ping is not None and now >= self._next_ping and self._question is None:
            self._ask(now)
        question = self._question
        if question is not None:
            if question.is_over(now):
                self._step(Input.UNANSWERED, now)
            elif question.is_due(now):
                self._out.append(self._wording())

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        if self._question is not None:
            return self._question.next_timer
        return self._pause_until if self._pause_until is not None else self._next_ping

    def datagrams_to_send(self) -> list[bytes]:
        """Drained: datagrams for the registry's address."""
        out, self._out = self._out, []
        return out

    def sealed_questions(self) -> list[Ping | Leave]:
        """Drained: questions begun that a link may carry as well."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def notices(self) -> list[Notice]:
        """Drained: what the owner should know."""
        notices, self._notices = self._notices, []
        return notices

    # --- inside

    def _step(self, occurrence: Input, now: float) -> None:
        after = TRANSITIONS.get((self.state, occurrence))
        if after is None:
            return
        before, self.state = self.state, after
        self._question = self._pause_until = self._next_ping = None
        self._tell(before, occurrence)
        if after is State.GREETING:
            self._nonce, self.stranger = self._rng.randbytes(16), None
        if after in (State.GREETING, State.REGISTERING, State.LEAVING):
            self._ask(now)
        elif after is State.PAUSING:
            self._pause_until = now + self._search.next_wait(self._rng.random())
        elif after is State.REGISTERED:
            self._search.reset()
            self._next_ping = now + self._ping_span()

    def _tell(self, before: State, occurrence: Input) -> None:
        if occurrence is Input.WELCOME:
            self._notices.append(Notice.WELCOMED)
            self.is_lost = False
        elif occurrence is Input.REFUSED:
            self._notices.append(Notice.DENIED)
        elif occurrence is Input.UNANSWERED and before is State.LEAVING:
            self._notices.append(Notice.LEAVE_UNANSWERED)
        elif occurrence is Input.UNANSWERED:
            self._tell_lost()
        elif occurrence is Input.LEFT:
            self._notices.append(Notice.LEFT)
        elif occurrence is Input.LEAVE and self.state is State.OFFLINE:
            self._notices.append(Notice.LEAVE_UNANSWERED)  # the registry does not answer, so it cannot know

    def _tell_lost(self) -> None:
        """Once that the registry is lost; or, once, that somebody else is in its place."""
        if self.stranger is not None and self.stranger != self._warned_of:
            self._warned_of = self.stranger
            self._notices.append(Notice.WRONG_KEY)
        elif not self.is_lost:
            self._notices.append(Notice.LOST)
        self.is_lost = True

    def _ask(self, now: float) -> None:
        self._question = Question(self._policy, reference=self._rng.getrandbits(32), now=now)
        self._next_ping = None
        self._question.is_due(now)
        self._out.append(self._wording())
        if self.state in (State.REGISTERED, State.LEAVING):
            self._sealed.append(self._sealed_wording(self._question))

    def _wording(self) -> bytes:
        """The datagram of the present question; sealed ones are sealed anew for each try (replay window)."""
        assert self._question is not None
        if self.state is State.GREETING:
            return bytes((Kind.HELLO,)) + encode_hello(Hello(version=PROTOCOL_VERSION, nonce=self._nonce))
        if self.state is State.REGISTERING:
            return bytes((Kind.REGISTER,)) + self._register()
        assert self.channel is not None
        return self.channel.seal(join_frames([encode(self._sealed_wording(self._question))]))

    def _sealed_wording(self, question: Question) -> Ping | Leave:
        shape = Leave if self.state is State.LEAVING else Ping
        return shape(reference=question.reference)

    def _register(self) -> bytes:
        assert self._cookie is not None and self._card is not None
        return encode(
            make_register(
                self._identity,
                registry=self._cookie.card.identity,
                nonce=self._nonce,
                cookie=self._cookie.cookie,
                card=self._card,
                table_version=self.table_version,
                code=self._code,
            )
        )

    def _ping_span(self) -> float:
        """A third of the lease: three pings may fail before the registry holds us to be away."""
        return self.welcome.lease / 3 if self.welcome is not None else 10.0
