"""The registration: a state machine from HELLO to LEAVE, with its retries and timeouts (clauses 4
and 5.4).

TRANSITIONS says which input is possible in which state. `handshake` decides which registry is
believed.
"""

import enum
from collections.abc import Sequence
from typing import Final

from chatapp.peer.core.context import Context
from chatapp.peer.core.registry.handshake import Handshake, RegistryServers
from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode
from chatapp.wire.codec import (
    Kind,
    decode_cookie,
    decode_frames,
    decode_refused,
    decode_welcome,
    encode,
    join_frames,
)
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import Identity, agreement_half
from chatapp.wire.messages.link import Attach, AttachFiles
from chatapp.wire.messages.registration import (
    PROTOCOL_VERSION,
    Leave,
    Left,
    Ping,
    Pong,
    Probe,
    RefusalReason,
    Refused,
    Welcome,
)
from chatapp.wire.messages.table import Card
from chatapp.wire.sessions.link import LinkOpening
from chatapp.wire.sessions.session import SessionTable


class State(enum.Enum):
    """The state of our registration."""

    OFFLINE = "not registered, and not trying to be"
    GREETING = "HELLO sent, the COOKIE is awaited"
    REGISTERING = "REGISTER sent, WELCOME or REFUSED is awaited"
    REGISTERED = "the registry knows us and answers"
    PAUSING = "the registry does not answer; the next attempt is a moment away"
    LEAVING = "LEAVE sent, its answer is awaited"
    REFUSED = "the registry has refused us"


class Input(enum.Enum):
    """What can happen to a registration."""

    START = "we want to be registered"
    COOKIE = "an authentic COOKIE came"
    WELCOME = "an authentic WELCOME came"
    REFUSED = "an authentic REFUSED came"
    UNANSWERED = "all attempts of a question went unanswered"
    PAUSED = (
        "the pause between two attempts is over, or the time for which the registry keeps us out"
    )
    SILENCE = "the link broke, or a ping went unanswered"
    LEAVE = "we want to be offline, and were registered before, so the registry may show us online"
    STOP = "we want to be offline, and were never registered"
    LEFT = "the registry confirmed that we left, or was restarted and does not know us"
    RELEASED = "the registry has forgotten us, as we asked"


TRANSITIONS: Final = {
    (State.OFFLINE, Input.START): State.GREETING,
    (State.REFUSED, Input.START): State.GREETING,
    (State.REFUSED, Input.PAUSED): State.GREETING,
    (State.REFUSED, Input.LEAVE): State.OFFLINE,
    (State.REFUSED, Input.STOP): State.OFFLINE,
    (State.REGISTERED, Input.START): State.GREETING,
    (State.PAUSING, Input.START): State.GREETING,
    (State.LEAVING, Input.START): State.GREETING,
    (State.GREETING, Input.COOKIE): State.REGISTERING,
    (State.GREETING, Input.REFUSED): State.REFUSED,
    (State.GREETING, Input.UNANSWERED): State.PAUSING,
    (State.GREETING, Input.LEAVE): State.LEAVING,
    (State.GREETING, Input.STOP): State.OFFLINE,
    (State.REGISTERING, Input.WELCOME): State.REGISTERED,
    (State.REGISTERING, Input.REFUSED): State.REFUSED,
    (State.REGISTERING, Input.UNANSWERED): State.PAUSING,
    (State.REGISTERING, Input.LEAVE): State.LEAVING,
    (State.REGISTERING, Input.STOP): State.OFFLINE,
    (State.REGISTERED, Input.SILENCE): State.GREETING,
    (State.REGISTERED, Input.UNANSWERED): State.GREETING,
    (State.REGISTERED, Input.LEAVE): State.LEAVING,
    (State.REGISTERED, Input.RELEASED): State.OFFLINE,
    (State.PAUSING, Input.PAUSED): State.GREETING,
    (State.PAUSING, Input.LEAVE): State.LEAVING,
    (State.PAUSING, Input.STOP): State.OFFLINE,
    (State.LEAVING, Input.LEFT): State.OFFLINE,
    (State.LEAVING, Input.UNANSWERED): State.OFFLINE,
}


class Notice(enum.Enum):
    """What happened to the registration, for `RegistryConnection` to act on."""

    WELCOMED = "we are registered (again)"
    DENIED = "the registry refused us; `denied` says why"
    SILENT = "the registry answers no ping, by UDP or on the link; one more HELLO decides whether it is lost"
    SEARCHING = "no server has answered yet, and we go on asking all of them"
    LOST = "the registry does not answer"
    LEFT = "we left"
    LEAVE_UNANSWERED = "we left without an answer"
    RELEASED = "our name is free, and we are not registered any more"
    WRONG_KEY = (
        "the registry is lost, and another with a key of its own answers in its place: `stranger`"
    )
    FOREIGN_SERVERS = "some of our servers are another registry: `foreign_servers`"
    WRONG_CODE = (
        "`stranger` answers at the first contact, and is not the registry that made our join code"
    )


class Question:
    """A question to the registry: sent at once, again after each `ack_timeout`, and given up after
    `tries` attempts."""

    __slots__ = ("_next_at", "_policy", "_span", "_tries", "asked_at", "reference")

    def __init__(self, policy: Policy, *, reference: int, span: float, now: float) -> None:
        """`span`: seconds from one attempt to the next, if they are more than `ack_timeout`."""
        self._policy: Final = policy
        self._span: Final = max(span, policy.ack_timeout)
        self._tries = 0
        self._next_at = now
        self.reference: Final = reference
        self.asked_at: Final = now

    @property
    def next_timer(self) -> float:
        """When the next attempt, or the end of the question, is due."""
        return self._next_at

    @property
    def attempt(self) -> int:
        """The number of the present attempt, from 1 on."""
        return self._tries

    def is_due(self, now: float) -> bool:
        """Return whether to send the question now, and count the attempt. Call it until
        `is_over`."""
        if self.is_over(now) or now < self._next_at:
            return False
        self._tries += 1
        self._next_at = now + self._span
        return True

    def is_over(self, now: float) -> bool:
        """Whether all tries were made and the last one was waited for."""
        return self._tries >= self._policy.tries and now >= self._next_at


ANSWERED_WITHIN: Final = 1.5
"""What a REGISTER has to be answered, in times that its HELLO took: they are equally long, and on a
slow link each repeat delays what comes."""

ANSWERED_WITHIN_MOST: Final = 2.0
"""Seconds that it has at most."""


class Backoff:
    """How long to wait before the next attempt: doubling from `first` to `largest` seconds, with
    jitter."""

    __slots__ = ("_first", "_largest", "_next")

    def __init__(self, *, first: float, largest: float) -> None:
        self._first: Final = first
        self._largest: Final = largest
        self._next = first

    def next_wait(self, chance: float) -> float:
        """Return the seconds to wait; `chance` in [0, 1) spreads those who lost the registry at the
        same moment."""
        wait = self._next * (0.5 + chance)
        self._next = min(self._next * 2, self._largest)
        return wait

    def reset(self) -> None:
        """Begin with the shortest wait again, after a success."""
        self._next = self._first


SEALED_KINDS: Final = frozenset({Kind.SEALED, Kind.OPENING, Kind.ANSWER})
"""The kinds of datagrams of a session, the registry's or another peer's."""

SEARCH_FIRST: Final = 0.5
SEARCH_LARGEST: Final = 3.0
"""Seconds between searches for a lost registry; jitter makes the longest 4.5, so people are back
within 5 s."""


LOOKS_FOR: Final = 15.0
"""Seconds in which somebody who names several servers and has no table looks for one that answers.
Another server of a cluster takes over within 4 s, and after an election of its stream within 12."""


class RegistrySession:
    """Our registration at one registry, which may have several addresses."""

    def __init__(
        self,
        ctx: Context,
        *,
        addresses: Sequence[Address],
        named_servers: Sequence[Address] = (),
        pinned: bytes | None,
    ) -> None:
        """`addresses`: those of the registry, at least one, the preferred one first.
        `named_servers`: those that the registry named the last time."""
        self._ctx: Final = ctx
        self._question: Question | None = None
        self._next_ping: float | None = None
        self._pause_until: float | None = None
        self._search = Backoff(first=SEARCH_FIRST, largest=SEARCH_LARGEST)
        self._started_at = float("-inf")
        self._is_search_told = False
        """Whether the user knows that we look for a server for longer than usual."""
        self._handshake = Handshake(identity=ctx.me.identity, pinned=pinned, rng=ctx.rng)
        self._registry = b""
        """The key of the registry that let us in."""
        self._context = b""
        """The nonce of that registration. It is part of each session opening, so older openings are
        void."""
        self.sessions: Final = SessionTable(
            ctx.me.identity,
            rng=ctx.rng,
            context_of=self._context_of,
            first_number=ctx.me.first_opening,
        )
        self.life = 0
        """The counter of the card of the server that let us in, which rises with each start of that
        server."""
        self.outgoing: list[tuple[bytes, Address]] = []
        self._sealed: list[Ping | Leave] = []
        self._notices: list[Notice] = []
        self._warned_of: bytes | None = None
        self._is_leave_doubtful = False
        """Whether we are leaving a registry that may have forgotten our session: then we also send
        it HELLO."""
        self.servers: Final = RegistryServers(addresses, named_servers)
        """The addresses of the registry."""
        self.foreign_servers: list[tuple[Address, bytes]] = []
        """Addresses of ours at which another registry answered since the last notice of it, each
        with the key there."""
        self._told_of: set[tuple[Address, bytes]] = set()
        self.state = State.OFFLINE
        self.is_wanted = False
        """Whether the registry is lost and an early attempt is under way, because a request waits
        for it."""
        self.welcome: Welcome | None = None
        self.denied: RefusalReason | None = None
        self.denied_for = 0
        """Seconds for which the refusal holds, after which we register again; 0 for no end."""
        self.denied_text = ""
        """What the registry's owner says of the refusal."""
        self.newer_counter = 0
        """The counter of the newer card that the registry has of us, after it refused an older
        one."""
        self.table_version = 0
        """The version of our table."""
        self._version_at_register = 0
        """The version of our table when the present attempt to register began."""
        self._is_cookie_renewed = False
        """Whether the registry has answered the present attempt to register with another COOKIE."""
        self.known_version = 0
        """The newest table version that the registry has mentioned."""
        self.heard_at = float("-inf")
        """When the registry last answered a question of ours."""
        self.link_heard_at = float("-inf")
        """When something of the registry last came on the link."""
        self._is_linked = False
        self._asked_at = float("-inf")
        self._greeted: dict[Address, float] = {}
        """When the present HELLO was first sent to each server."""

    @property
    def is_linked(self) -> bool:
        """Whether our link is up, which carries our signs of life."""
        return self._is_linked

    @is_linked.setter
    def is_linked(self, is_linked: bool) -> None:
        self._is_linked = is_linked
        if is_linked:
            self._next_ping = None

    @property
    def lease(self) -> int:
        """Seconds without a sign of life after which the registry counts us as away."""
        return self.welcome.lease if self.welcome is not None else 30

    @property
    def address(self) -> Address:
        """The registry's address in use."""
        return self.servers.current

    @property
    def pinned(self) -> bytes | None:
        """The identity key of the registry that we hold; None before the first contact."""
        return self._handshake.pinned

    @property
    def is_lost(self) -> bool:
        """Whether the registry does not answer."""
        return self._ctx.status.is_lost

    @property
    def expected(self) -> str:
        """The fingerprint of the key that the registry must have; empty if any key is accepted."""
        return self._handshake.expected

    @property
    def is_expected_as_announced(self) -> bool:
        """Whether nothing but an announcement says which key the registry must have."""
        return self._handshake.is_as_announced

    @property
    def is_key_named(self) -> bool:
        """Whether the user, or the join code that let us in, named the key of our registry."""
        return self._handshake.is_key_named

    @property
    def is_code_foreign(self) -> bool:
        """Whether our join code was made by another registry than the one that answers."""
        return self._handshake.is_code_foreign

    @property
    def demanded(self) -> str | None:
        """The digits of the fingerprint that the user demands, whatever is pinned."""
        return self._handshake.demanded

    @property
    def is_looking(self) -> bool:
        """Whether we look for a first server among several, for LOOKS_FOR at most, and have nothing
        to work with until then."""
        is_newcomer = self.welcome is None and not self.table_version
        has_ended = self.is_lost or self.state in (State.OFFLINE, State.REFUSED)
        return is_newcomer and len(self.servers) > 1 and not has_ended

    @property
    def stranger(self) -> bytes | None:
        """The key that answers instead of the expected one, as last reported; None once the right
        one has answered."""
        return self._warned_of

    @property
    def is_registry_behind(self) -> bool:
        """Whether our table was newer than the registry's when we registered: the registry was
        restored from a backup. Batches that arrived after our REGISTER do not count."""
        return self.welcome is not None and self.welcome.table_version < self._version_at_register

    # --- what we want

    def use_card(self, card: Card, *, first_opening: int) -> None:
        """Register with this card from now on. Numbers of session openings are above
        `first_opening`."""
        self._handshake.use_card(card)
        self.sessions.number_from(first_opening)

    def use_code(self, code: JoinCode) -> None:
        """Register with this join code until the registry has let us in once."""
        self._handshake.use_code(code)

    def use_gateway(self, gateway: Identity) -> None:
        """Register as a visitor who comes through the gateway with this key."""
        self._handshake.use_gateway(gateway)

    def demand(self, digits: str) -> None:
        """Accept only the registry whose key has this fingerprint, whatever is pinned."""
        self._handshake.demanded = digits

    def expect_announced(self, digits: str) -> None:
        """Accept, at a first contact, only the registry whose key has this fingerprint, which was
        announced."""
        self._handshake.announced = digits

    def start(self, *, table_version: int, now: float) -> None:
        """Register, or register again with a new card."""
        self.table_version, self._warned_of = table_version, None
        self._started_at, self._is_search_told = now, False
        self._ctx.status.is_lost = False
        self._step(Input.START, now)

    def leave(self, *, now: float) -> None:
        """Go offline and tell the registry, even if it did not answer lately: it may be back."""
        self._step(Input.STOP if self.welcome is None else Input.LEAVE, now)

    def released(self, *, now: float) -> None:
        """Note that the registry has freed our name: it does not know us any more."""
        self._step(Input.RELEASED, now)

    def note_silence(self, *, is_unusable: bool = False, now: float) -> None:
        """Note that the link broke, and find out at once whether the registry still answers.
        `is_unusable`: the link could not be made, so another server is asked first."""
        if is_unusable and self.state is State.REGISTERED:
            self.servers.pass_on()
        self._step(Input.SILENCE, now)

    def ping(self, *, now: float) -> None:
        """Ping the registry now; its silence is noticed after `give_up_after`."""
        if self.state is State.REGISTERED and self._question is None:
            self._ask(now)

    def show_address(self, *, now: float) -> None:
        """Let the registry see where our datagrams come from, since some do not reach us. It has
        seen them lately if we have asked it something within a third of the lease."""
        if now >= self._asked_at + self.lease / 3:
            self.ping(now=now)

    def search(self, *, now: float) -> bool:
        """Look for a lost registry at once, because a request waits for it. Return whether an
        attempt is under way."""
        if self.is_lost and self.state is not State.REFUSED:
            self._step(Input.PAUSED, now)
            self.is_wanted = self.state in (State.GREETING, State.REGISTERING)
        return self.is_wanted

    # --- what comes in

    def receive_datagram(self, data: bytes, source: Address, *, now: float) -> bool:
        """Take a datagram that came from `source`. Return whether it is of the session or of its
        handshake. Raises DecodeError, SealError."""
        kind = data[0] if data else 0
        if kind in SEALED_KINDS and self.is_ours(data):
            payload = self.open(data, now=now)
            for frame in decode_frames(payload) if payload else ():
                if isinstance(frame, Pong):
                    self.receive_pong(frame, now=now)
                elif isinstance(frame, Probe):
                    self.receive_probe(now=now)
                elif isinstance(frame, Left):
                    self.receive_left(frame, now=now)
        elif kind == Kind.COOKIE and source in self.servers:
            self.receive_cookie(data[1:], source, now=now)
        elif kind == Kind.WELCOME and source == self.address:
            self.receive_welcome(data[1:], now=now)
        elif kind == Kind.REFUSED and self._is_asked(source):
            self.receive_refused(data[1:], now=now)
        else:
            return False
        return True

    def _is_asked(self, source: Address) -> bool:
        """Return whether our present question goes to this server: HELLO goes to all, REGISTER to
        one."""
        return source in self.servers if self.state is State.GREETING else source == self.address

    def receive_cookie(self, data: bytes, source: Address, *, now: float) -> None:
        """Take a COOKIE of one of our servers; one that does not answer our HELLO is ignored. The
        server that answers first is the one to register at. If the server rejects that COOKIE, it
        sends a new one. Raises DecodeError."""
        cookie = decode_cookie(data)
        if self.state is State.GREETING:
            if self._handshake.takes_cookie(cookie):
                self.servers.strangers.pop(source, None)
                self.servers.use(source)
                self._step(Input.COOKIE, now)
            elif self._handshake.stranger == cookie.card.identity:
                self.servers.strangers[source] = cookie.card.identity
        elif self.state is State.REGISTERING:
            # Our COOKIE was of a former start, or of a node that another has succeeded. Once an
            # attempt, so that forged COOKIEs cannot make us repeat REGISTER for ever.
            if (
                source == self.address
                and not self._is_cookie_renewed
                and self._handshake.takes_renewed(cookie)
            ):
                self._is_cookie_renewed = True
                self._ask(now)
        elif (
            self._is_leave_doubtful
            and source == self.address
            and self._handshake.takes_cookie(cookie)
            and cookie.card.counter != self.life
        ):
            self._step(
                Input.LEFT, now
            )  # the registry was restarted, so it no longer shows us online

    def receive_welcome(self, data: bytes, *, now: float) -> None:
        """Take a WELCOME. Raises DecodeError, SealError."""
        welcome = decode_welcome(data)
        card = self._handshake.takes_welcome(welcome) if self.state is State.REGISTERING else None
        if card is not None:
            agreement_half(card.identity)
            if (card.identity, welcome.nonce) != (self._registry, self._context):
                self.sessions.meet_anew(self._registry, now=now)
                self._registry, self._context = card.identity, welcome.nonce
            self.life, self.welcome = card.counter, welcome
            self.servers.let_in()
            self.servers.name([Address(server.host, server.port) for server in welcome.servers])
            self._handshake.use_code(None)
            self.known_version = welcome.table_version
            self.heard_at = now
            self._step(Input.WELCOME, now)

    def receive_refused(self, data: bytes, *, now: float) -> None:
        """Take a REFUSED. Raises DecodeError."""
        refused = decode_refused(data)
        is_registering = self.state is State.REGISTERING
        is_theirs = self._handshake.takes_refused(refused, is_registering=is_registering)
        if is_theirs and self._may_refuse(refused):
            self.denied, self.newer_counter = refused.reason, refused.counter
            self.denied_for, self.denied_text = refused.seconds, refused.text
            self._step(Input.REFUSED, now)

    def _may_refuse(self, refused: Refused) -> bool:
        """Return whether a refusal counts: of a REGISTER for any reason, of a HELLO only for its
        version. If we were registered since our start, a wrong version counts as an absent
        registry, and direct chat goes on. A registry of our version has received a damaged
        HELLO."""
        if self.state is State.REGISTERING:
            return True
        return (
            self.state is State.GREETING
            and refused.reason is RefusalReason.VERSION
            and refused.counter != PROTOCOL_VERSION
            and self.welcome is None
        )

    def receive_pong(self, pong: Pong, *, now: float) -> None:
        """Take a PONG, the answer to a ping."""
        self.known_version = max(self.known_version, pong.table_version)
        question = self._question
        if (
            self.state is State.REGISTERED
            and question is not None
            and pong.reference == question.reference
        ):
            self._question = None
            self.heard_at = now
            self._next_ping = self._ping_at(now)

    def receive_probe(self, *, now: float) -> None:
        """Answer the registry's probe with a ping: somebody could not reach us."""
        self.ping(now=now)

    def receive_left(self, left: Left, *, now: float) -> None:
        """Take the answer to our LEAVE."""
        if self._question is not None and left.reference == self._question.reference:
            self._step(Input.LEFT, now)

    # --- what is sealed for the registry alone

    def is_ours(self, datagram: bytes) -> bool:
        """Return whether a datagram belongs to our session with the registry."""
        return self.sessions.author_of(datagram) == self._registry != b""

    def open(self, datagram: bytes, *, now: float) -> bytes:
        """Return the payload of a datagram of the registry, which may be empty. Raises DecodeError,
        SealError."""
        opened = self.sessions.open(datagram, now=now)
        if opened.answer is not None:
            self.outgoing.append((opened.answer, self.address))
        return opened.payload

    def open_link(self, sender_index: int, *, now: float) -> tuple[bytes, LinkOpening]:
        """Begin the session of a link. Return the first frame, which attaches us. `sender_index`:
        the one that we were granted last; 0 for none. Raises SealError."""
        attach = encode(self.attachment(sender_index))
        return self.sessions.open_link(self._registry, attach, now=now)

    def attachment(self, sender_index: int) -> Attach:
        """Return the request that attaches us on a link. `sender_index`: as in `open_link`."""
        return Attach(sender_index, self.table_version)

    def open_file_link(self, *, now: float) -> tuple[bytes, LinkOpening]:
        """Begin the session of a link for files that the registry keeps (clause 6.23). Return the
        first frame. Raises SealError."""
        return self.sessions.open_link(self._registry, encode(AttachFiles()), now=now)

    def _context_of(self, identity: bytes) -> bytes | None:
        return self._context if identity == self._registry else None

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Retry or give up a question, end a pause, or ping, as each is due."""
        self.sessions.handle_timer(now=now)
        if self._pause_until is not None and now >= self._pause_until:
            self._step(Input.PAUSED, now)
        if self._next_ping is not None and now >= self._next_ping and self._question is None:
            self._ask(now)
        question = self._question
        if question is not None:
            if question.is_over(now) and self._is_heard_since(question.asked_at):
                self._question, self._next_ping = None, self._ping_at(now)
            elif question.is_over(now):
                self._step(Input.UNANSWERED, now)
            elif question.is_due(now):
                if self.state in (State.REGISTERED, State.LEAVING):
                    self.sessions.doubt(self._registry, now=now)
                self._say(now)
                if self.state is State.REGISTERED:
                    self._sealed.append(
                        self._sealed_wording(question)
                    )  # on the link too: UDP may be blocked

    def _is_heard_since(self, asked_at: float) -> bool:
        """Return whether the link shows that the registry is there, although our ping is not
        answered: on a slow link the answer waits behind what else comes."""
        return self.state is State.REGISTERED and self._is_linked and self.link_heard_at > asked_at

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        if self._question is not None:
            due: float | None = self._question.next_timer
        else:
            due = self._pause_until if self._pause_until is not None else self._next_ping
        over = self.sessions.next_timer()
        return due if over is None else over if due is None else min(due, over)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        """Return the datagrams for the registry, once, in order."""
        out, self.outgoing = self.outgoing, []
        return out

    def sealed_questions(self) -> list[Ping | Leave]:
        """Return, once, questions that go on the link as well, where nothing gets lost: a Leave at
        once, a Ping while it is unanswered."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def notices(self) -> list[Notice]:
        """Return the notices, once, in order."""
        notices, self._notices = self._notices, []
        return notices

    # --- inside

    def _step(self, occurrence: Input, now: float) -> None:
        after = TRANSITIONS.get((self.state, occurrence))
        if after is None:
            return
        before, self.state = self.state, after
        if before is State.REGISTERING and occurrence is Input.UNANSWERED:
            self.servers.pass_on()
        self._question = self._pause_until = self._next_ping = None
        self.is_wanted = self.is_wanted and after is State.REGISTERING
        self._tell(before, occurrence, after, now)
        self._is_leave_doubtful = after is State.LEAVING and before is not State.REGISTERED
        if after is State.GREETING or self._is_leave_doubtful:
            self._handshake.begin()
            self._greeted.clear()
        if after is State.REGISTERING:
            self._version_at_register, self._is_cookie_renewed = self.table_version, False
        if after is State.REGISTERING:
            taken = now - self._greeted.get(self.address, now)
            self._ask(now, span=min(ANSWERED_WITHIN * taken, ANSWERED_WITHIN_MOST))
        elif after in (State.GREETING, State.LEAVING):
            self._ask(now)
        elif after is State.PAUSING:
            self._pause_until = self._pause_end(now)
        elif after is State.REFUSED and self.denied_for:
            self._pause_until = now + self.denied_for + self._ctx.rng.random()
        elif after is State.REGISTERED:
            self._search.reset()
            self._next_ping = self._ping_at(now)

    def _tell(self, before: State, occurrence: Input, after: State, now: float) -> None:
        if occurrence is Input.WELCOME:
            self._notices.append(Notice.WELCOMED)
            self._ctx.status.is_lost, self._warned_of = False, None
            self._tell_foreign_servers()
        elif occurrence is Input.REFUSED:
            self._notices.append(Notice.DENIED)
        elif occurrence is Input.UNANSWERED and before is State.LEAVING:
            self._notices.append(Notice.LEAVE_UNANSWERED)
        elif occurrence is Input.UNANSWERED and before is State.REGISTERED:
            self._notices.append(Notice.SILENT)
        elif occurrence is Input.UNANSWERED:
            self._tell_lost(now)
        elif occurrence is Input.LEFT or (before is State.REFUSED and after is State.OFFLINE):
            self._notices.append(Notice.LEFT)
        elif occurrence is Input.RELEASED:
            self._notices.append(Notice.RELEASED)
        elif occurrence is Input.STOP:
            self._notices.append(Notice.LEAVE_UNANSWERED)

    def _tell_foreign_servers(self) -> None:
        """Report, once each, servers of ours that are another registry than the one that let us
        in."""
        found = set(self.servers.strangers.items()) - self._told_of
        if found:
            self._told_of |= found
            self.foreign_servers += sorted(found)
            self._notices.append(Notice.FOREIGN_SERVERS)

    def _pause_end(self, now: float) -> float:
        """Return when to try again. The last attempt to find a first server ends with the search."""
        end = now + self._search.next_wait(self._ctx.rng.random())
        attempt = self._ctx.policy.give_up_after
        last = self._started_at + LOOKS_FOR - attempt
        return max(now, last) if self.is_looking and end + attempt > last else end

    def _tell_lost(self, now: float) -> None:
        """Report, once, that the registry is lost, or that another one is in its place. One foreign
        server among several replaces nothing: ours may be about to answer at another one."""
        stranger = self._handshake.stranger
        is_replaced = stranger is not None and self.servers.are_replaced
        is_over = now + self._ctx.policy.ack_timeout > self._started_at + LOOKS_FOR
        if not is_replaced and self.is_looking and not is_over:
            if not self._is_search_told:
                self._is_search_told = True
                self._notices.append(Notice.SEARCHING)
            return
        if is_replaced and stranger != self._warned_of:
            self._warned_of = stranger
            self._notices.append(Notice.WRONG_KEY if self.expected else Notice.WRONG_CODE)
        elif not self.is_lost:
            self._notices.append(Notice.LOST)
        if not is_replaced:
            self._tell_foreign_servers()
        self._ctx.status.is_lost = True

    def _ask(self, now: float, *, span: float = 0.0) -> None:
        self._question = Question(
            self._ctx.policy, reference=self._ctx.rng.getrandbits(32), span=span, now=now
        )
        self._next_ping = None
        self._asked_at = now
        self._question.is_due(now)
        self._say(now)
        if self.state is State.LEAVING:
            self._sealed.append(self._sealed_wording(self._question))

    def _say(self, now: float) -> None:
        assert self._question is not None
        if self.state is State.GREETING:
            hello, tries = self._handshake.hello(), self._ctx.policy.tries
            asked = self.servers.asked_at(self._question.attempt, tries=tries)
            self.outgoing += [(hello, address) for address in asked]
            for address in asked:
                self._greeted.setdefault(address, now)
            return
        self.outgoing += [(datagram, self.address) for datagram in self._wording(now)]
        if self._is_leave_doubtful:
            self.outgoing.append((self._handshake.hello(), self.address))

    def _wording(self, now: float) -> list[bytes]:
        """Return the datagrams of the present question. Each attempt is sealed again, or the replay
        window would drop it."""
        assert self._question is not None
        if self.state is State.REGISTERING:
            return [self._handshake.register()]
        payload = join_frames([encode(self._sealed_wording(self._question))])
        return self.sessions.seal(self._registry, payload, now=now)

    def _sealed_wording(self, question: Question) -> Ping | Leave:
        shape = Leave if self.state is State.LEAVING else Ping
        return shape(reference=question.reference)

    def _ping_at(self, now: float) -> float | None:
        """Return when to ping by UDP: not while a link lives, which carries our signs of life; else
        after a third of the lease, so that three pings have to fail before the registry shows us as
        away."""
        return None if self.is_linked else now + self.lease / 3
