"""Secure sessions with everybody whom we know by identity key: opened, answered, renewed, erased
(clause 5).

Each side finds a session by a random number of its own choosing, never by a key, so nobody can take
another's place. Keys belong to one handshake and never occur again: no counter is used twice under
one key, even if a program restarts, or its folder is copied or restored. Data sent before the
answer arrives travels with the opening.
"""

import heapq
import hmac
from collections.abc import Callable, Container, Sequence
from typing import Final, NamedTuple, NoReturn

from cryptography.exceptions import InvalidTag

from chatapp.wire.address import Address, network_of
from chatapp.wire.buckets import Buckets
from chatapp.wire.codec import (
    AEAD_TAG_SIZE,
    ANSWER_HEADER_SIZE,
    COUNTER_SIZE,
    NONCE_PREFIX,
    OPENING_HEAD_SIZE,
    OPENING_OVERHEAD,
    SEALED_HEAD_SIZE,
    SEALED_HEADER_SIZE,
    SEALED_OVERHEAD,
    AnswerHeader,
    Kind,
    OpeningHeader,
    unpack_answer,
    unpack_opening,
)
from chatapp.wire.errors import DecodeError, SealError
from chatapp.wire.identity import Identity
from chatapp.wire.limits import (
    BUCKETS_MAX,
    DATAGRAM_MAX,
    OPENINGS_PER_NETWORK_BURST,
    OPENINGS_PER_NETWORK_PER_SECOND,
)
from chatapp.wire.sealing import Ciphers, ReplayWindow
from chatapp.wire.sessions.link import LinkOpening, LinkSession
from chatapp.wire.sessions.opening import (
    SESSION_ID_SIZE,
    Carrier,
    IncomingOpening,
    OutgoingOpening,
    Parties,
    Randomness,
    SessionKeys,
)

RENEW_AFTER: Final = 120.0
"""Seconds after which the side that seals begins a new session."""
RENEW_AFTER_DATAGRAMS: Final = 1 << 20
"""Datagrams sealed in one session after which the side that seals begins a new one."""
ERASE_AFTER: Final = 180.0
"""Seconds after which the keys of a session are erased in any case."""
REPLACED_LASTS_FOR: Final = 60.0
"""Seconds for which a replaced session still opens datagrams that are on their way."""
OPENING_LASTS_FOR: Final = 3.0
"""Seconds for which one opening is sent repeatedly. Data sealed later begins another one, since the
other side may have restarted after it received the first."""
ANSWER_AWAITED_FOR: Final = 20.0
"""Seconds for which an opening may still be answered after it is no longer sent."""
RENEWAL_AGAIN_AFTER: Final = 1.0
"""Seconds after which the opening that renews a session is repeated, as long as it is not
answered."""
SILENT_AFTER: Final = 0.9
"""Seconds without a datagram of theirs after which an unanswered message is repeated with a new
opening: two tries."""
OPENINGS_BURST: Final = 16
"""Openings of one party that are processed at once, with four key agreements each; after that, one
a second."""
COUNTED_AFTER: Final = 30.0
"""Seconds without an opening of one party after which the next one is processed whatever else comes
from its network: a crowd behind one address must not keep out somebody who shares that address, or
whose address the crowd forges."""
OPENING_MAX: Final = 2**62
"""A claim to have accepted an opening of ours with such a number is not believed: higher numbers
must be left."""
_OPENING: Final = bytes((Kind.OPENING,))
_SEALED: Final = bytes((Kind.SEALED,))
_RENEWED_EARLY: Final = 5.0
"""An opening of theirs counts as a renewal if it comes at most so many seconds before we would
renew the session."""


class Session:
    """A secure session: seals, opens, and refuses repeats. `ours` is the id by which we find it."""

    __slots__ = (
        "_ciphers",
        "_open_key",
        "_seal_key",
        "_sent",
        "answer_head",
        "born",
        "is_begun_by_us",
        "order",
        "ours",
        "pair",
        "renew_at",
        "replay",
        "theirs",
    )

    def __init__(
        self,
        pair: "Pair",
        *,
        ids: tuple[bytes, bytes],
        agreed: SessionKeys,
        order: int,
        born: float,
        answer_head: bytes | None,
    ) -> None:
        """`ids`: ours and theirs of the session. `answer_head`: for a session that they opened,
        until they have shown that they know of it."""
        self.pair: Final = pair
        self.ours, self.theirs = ids
        self.order: Final = order
        self.born: Final = born
        self.renew_at = born + RENEW_AFTER
        self.is_begun_by_us: Final = answer_head is None
        self.answer_head = answer_head
        self._seal_key = agreed.seal_key
        self._open_key = agreed.open_key
        self._ciphers = pair.ciphers
        self._sent = 0
        self.replay: Final = ReplayWindow()
        """The counters of the datagrams that opened."""

    def seal(self, payload: bytes) -> bytes:
        """Return a datagram: header, ciphertext, AEAD tag."""
        return self.seal_all((payload,))[0]

    def seal_all(self, payloads: Sequence[bytes]) -> list[bytes]:
        """Return a datagram for each payload, up to that with which the session has sealed so many
        that it is to be renewed."""
        first = self._sent
        left = RENEW_AFTER_DATAGRAMS + 1 - first
        if 0 < left <= len(payloads):
            payloads = payloads[:left]
            self.renew_at = self.born
        self._sent = first + len(payloads)
        head = self.answer_head or _SEALED + self.theirs
        encrypt = self._ciphers.get(self._seal_key).encrypt
        datagrams: list[bytes] = []
        for counter, payload in enumerate(payloads, first):
            packed = counter.to_bytes(COUNTER_SIZE, "big")
            header = head + packed
            datagrams.append(header + encrypt(NONCE_PREFIX + packed, payload, header))
        return datagrams

    def open(self, datagram: bytes, header_size: int = SEALED_HEADER_SIZE) -> bytes:
        """Return the payload. Raises SealError for a forgery or a repeat, DecodeError if the
        datagram is too short."""
        payloads, problems = self.open_all((datagram,), header_size)
        if problems:
            raise problems[0]
        return payloads[0]

    def open_all(
        self, datagrams: Sequence[bytes], header_size: int = SEALED_HEADER_SIZE
    ) -> tuple[list[bytes], list[Exception]]:
        """Return the payloads of the datagrams that open, and what is wrong with each of the
        others: a SealError for a forgery or a repeat, a DecodeError if it is too short, any other
        exception for a fault of ours."""
        payloads: list[bytes] = []
        problems: list[Exception] = []
        replay, decrypt = self.replay, self._ciphers.get(self._open_key).decrypt
        for datagram in datagrams:
            try:
                header = datagram[:header_size]
                packed = header[-COUNTER_SIZE:]
                counter = int.from_bytes(packed, "big")
                if len(datagram) < header_size + AEAD_TAG_SIZE:
                    problems.append(DecodeError("session", f"{len(datagram)} bytes"))
                elif counter <= replay.newest and not replay.is_fresh(counter):
                    problems.append(SealError("replayed"))
                else:
                    payload = decrypt(NONCE_PREFIX + packed, datagram[header_size:], header)
                    replay.accept(counter)
                    payloads.append(payload)
            except InvalidTag:
                problems.append(SealError("does not open"))
            except Exception as problem:  # noqa: BLE001 - a fault of ours in one must not cost the others
                problems.append(problem)
        return payloads, problems

    def erase(self) -> None:
        """Erase the keys; nothing can be sealed or opened any more."""
        self._ciphers.drop(self._seal_key)
        self._ciphers.drop(self._open_key)
        self._seal_key = self._open_key = b""


class Early:
    """The last opening of theirs that was accepted: further early data with it is read, each
    datagram once."""

    __slots__ = ("heard", "is_return", "order", "replay", "session")

    def __init__(
        self, heard: IncomingOpening, session: Session | None, order: int, *, is_return: bool
    ) -> None:
        """`session`: the session it led to; None if our own simultaneous opening takes
        precedence."""
        self.heard: Final = heard
        self.session: Final = session
        self.order: Final = order
        self.is_return = is_return
        """Whether they opened although nothing had to be renewed, and the caller has not been told
        yet."""
        self.replay: Final = ReplayWindow()


class Pair:
    """The state shared with one other party."""

    __slots__ = (
        "allowance",
        "allowed_at",
        "begun",
        "begun_before",
        "ciphers",
        "current",
        "early",
        "heard_at",
        "is_doubted",
        "least",
        "link_number",
        "newest",
        "number",
        "parties",
    )

    def __init__(self, parties: Parties, number: int, ciphers: Ciphers) -> None:
        self.parties: Final = parties
        self.ciphers: Final = ciphers
        self.number = number
        """The number of the last opening of theirs that was accepted; only higher numbers are
        accepted from now on."""
        self.link_number = -1
        """The same for openings on links."""
        self.least = 0
        """The lowest number that an opening of ours may have, as they have told us."""
        self.begun: OutgoingOpening | None = None
        self.begun_before: OutgoingOpening | None = None
        """Openings of ours that may still be answered."""
        self.early: Early | None = None
        self.current: Session | None = None
        """The session under which we seal."""
        self.is_doubted = False
        """Whether they may not have the session: data is sent with an opening."""
        self.heard_at = float("-inf")
        self.newest: tuple[float, int, int] = (-1, 0, -1)
        self.allowance = float(OPENINGS_BURST)
        self.allowed_at = float("-inf")

    def note(self, order: int, phase: int, counter: int, now: float) -> bool:
        """Record an opened datagram. Returns whether it is the newest one of theirs."""
        self.heard_at = now
        mark = (order, phase, counter)
        if mark <= self.newest:
            return False
        self.newest = mark
        return True

    def take_allowance(self, now: float) -> bool:
        """Whether one more opening of theirs may be processed now."""
        earned = min(now - self.allowed_at, OPENINGS_BURST)
        self.allowance, self.allowed_at = min(self.allowance + earned, OPENINGS_BURST), now
        if self.allowance < 1:
            return False
        self.allowance -= 1
        return True


class OldOpening(SealError):
    """An opening of theirs has a number that is not above `number`, that of their last accepted
    one, and nothing else of theirs arrives: their folder and clock may have been restored."""

    def __init__(self, number: int) -> None:
        super().__init__("an opening that was used before")
        self.number: Final = number


class Opened(NamedTuple):
    """The content and sender of a datagram."""

    identity: bytes
    payload: bytes
    """Empty if the datagram only begins a session."""
    session: bytes
    """The session under which it can be answered, whatever comes after; empty for none."""
    is_newest: bool
    """Whether no later datagram of theirs was opened before: only then does it show their present
    state."""
    is_return: bool
    """Whether they opened a session although nothing had to be renewed: their program restarted, or
    missed our data."""
    answer: bytes | None
    """A datagram to send back at once."""


class OpenedRun(NamedTuple):
    """The contents of consecutive datagrams of one party."""

    payloads: list[bytes]
    """Those of the datagrams that opened. One is empty if its datagram only begins a session."""
    problems: list[Exception]
    """Why the others did not open."""
    is_newest: bool
    """Whether no later datagram of theirs was opened before the newest of these."""
    is_return: bool
    """As in `Opened`."""
    answer: bytes | None
    """A datagram to send back at once."""


class SessionTable:
    """The sessions with all other parties."""

    def __init__(
        self,
        identity: Identity,
        *,
        rng: Randomness,
        context_of: Callable[[bytes], bytes | None],
        first_number: int = 0,
        opening_taken: Callable[[bytes, int], None] | None = None,
    ) -> None:
        """`context_of`: returns the context of an identity that we know (clause 5.2), None for all
        others. `first_number`: above the numbers of all earlier openings of ours. `opening_taken`:
        called with an identity and the number of its opening that was accepted; the next run of the
        program passes both to `restore`."""
        self._identity: Final = identity.public
        self._static: Final = identity.agreement_key()
        self._rng = rng
        self._context_of = context_of
        self._opening_taken = opening_taken
        self._next_number = first_number
        self._order = 0
        self._pairs: dict[bytes, Pair] = {}
        self._found: dict[bytes, Session | tuple[Pair, OutgoingOpening]] = {}
        self._numbers: dict[bytes, int] = {}
        self._met_before: dict[bytes, Parties] = {}
        """Of whom we start over with at the next word: their keys agree on the same."""
        self._ends: list[tuple[float, int, Pair, Session | OutgoingOpening | Early]] = []
        self._ends_made = 0
        self._networks: Buckets[str] = Buckets(
            rate=OPENINGS_PER_NETWORK_PER_SECOND, burst=OPENINGS_PER_NETWORK_BURST, most=BUCKETS_MAX
        )
        self.ciphers: Final = Ciphers()

    def __len__(self) -> int:
        """How many sessions have keys."""
        return sum(isinstance(found, Session) for found in self._found.values())

    # --- people

    def restore(self, identity: bytes, number: int) -> None:
        """Restore from disk: the number of the last opening of theirs that was accepted."""
        self._numbers[identity] = number

    def number_from(self, number: int) -> None:
        """Use this number or higher ones for our openings from now on."""
        self._next_number = max(self._next_number, number)

    def meet_anew(self, identity: bytes, *, now: float) -> None:
        """Start over with a party whose context has changed: earlier datagrams no longer count as
        new, but are read for a while."""
        pair = self._pairs.pop(identity, None)
        if pair is None:
            return
        self._met_before[identity] = pair.parties
        pair.newest = (float("inf"), 0, 0)
        for begun in (pair.begun, pair.begun_before):
            if begun is not None:
                self._end(pair, begun)
        if pair.current is not None:
            self._end_at(now + REPLACED_LASTS_FOR, pair, pair.current)

    def forget(self, identity: bytes) -> None:
        """Drop everything shared with a party."""
        self._numbers.pop(identity, None)
        self._met_before.pop(identity, None)
        pair = self._pairs.pop(identity, None)
        for _, _, whose, ending in self._ends:
            if whose is pair:
                self._end(whose, ending)

    def keep_only(self, identities: Container[bytes]) -> None:
        """Drop everything shared with all other parties."""
        gone = {pair for identity, pair in self._pairs.items() if identity not in identities}
        for shared in (self._pairs, self._numbers, self._met_before):
            for identity in [one for one in shared if one not in identities]:
                del shared[identity]
        for _, _, pair, ending in self._ends:
            if pair in gone:
                self._end(pair, ending)

    def author_of(self, datagram: bytes) -> bytes | None:
        """Return the sender of a datagram according to its header; None if we share nothing with
        them."""
        if datagram[:1] == _OPENING:
            return datagram[1:33]
        found = self._found.get(datagram[1 : 1 + SESSION_ID_SIZE])
        if found is None:
            return None
        return (found.pair if isinstance(found, Session) else found[0]).parties.theirs

    def is_in_use(self, identity: bytes) -> bool:
        """Whether a session with them has keys."""
        pair = self._pairs.get(identity)
        return pair is not None and pair.current is not None

    # --- out

    def seal(self, identity: bytes, payload: bytes, *, now: float) -> list[bytes]:
        """Return the datagrams that carry this payload: one, and sometimes another that renews the
        session.

        Raises SealError for an unknown party, and for an invalid key.
        """
        return self.seal_all(identity, (payload,), now=now)

    def seal_all(self, identity: bytes, payloads: Sequence[bytes], *, now: float) -> list[bytes]:
        """Return the datagrams that carry these payloads, in their order. As `seal`, for each."""
        pair = self._pairs.get(identity) or self._meet(identity)
        session = pair.current
        datagrams: list[bytes] = []
        if session is not None and not pair.is_doubted and now < session.renew_at:
            datagrams = session.seal_all(payloads)
        for payload in payloads[len(datagrams) :]:
            session = pair.current
            if session is None or pair.is_doubted:
                datagrams.append(self._open_with(pair, payload, now))
            else:
                datagrams += self._seal_and_renew(pair, session, payload, now)
        return datagrams

    def room(self, identity: bytes, *, now: float) -> int:
        """Return the bytes that a payload may have if it is sealed for this party now."""
        pair = self._pairs.get(identity)
        session = None if pair is None or pair.is_doubted else pair.current
        if session is None or session.answer_head is not None or now >= session.renew_at:
            return DATAGRAM_MAX - OPENING_OVERHEAD
        return DATAGRAM_MAX - SEALED_OVERHEAD

    def seal_back(self, session: bytes, payload: bytes) -> bytes | None:
        """Return a datagram under exactly this session; None when it is over."""
        found = self._found.get(session)
        return found.seal(payload) if isinstance(found, Session) else None

    def hail(self, identity: bytes, *, now: float) -> list[bytes]:
        """Return an empty opening that shows this party that we are here; nothing if we share a
        session."""
        pair = self._pairs.get(identity) or self._meet(identity)
        return [] if pair.current is not None else [self._open_with(pair, b"", now)]

    def doubt(self, identity: bytes, *, now: float) -> None:
        """Note that our data goes unanswered. If the party is silent, it may have restarted: the
        next data goes with an opening."""
        pair = self._pairs.get(identity)
        if pair is not None and now >= pair.heard_at + SILENT_AFTER:
            pair.is_doubted = True

    def seal_opening(self, identity: bytes, payload: bytes, *, now: float) -> bytes:
        """Return an opening that carries this payload, whatever session there is. That session is
        not doubted, and is renewed as before: a stranger who replays can make us send this. Raises
        SealError."""
        pair = self._pairs.get(identity) or self._meet(identity)
        return self._opening_of(pair, now).seal(payload)

    def open_above(self, identity: bytes, number: int) -> None:
        """Note that they accept no opening of ours up to this number: an earlier run, of which we
        know nothing, has used it."""
        pair = self._pairs.get(identity)
        if pair is None or number >= OPENING_MAX or number + 1 < pair.least:
            return  # ours has a higher one since
        pair.least = number + 1
        if pair.begun is not None:
            self._end(pair, pair.begun)

    # --- in

    def open(self, datagram: bytes, *, source: Address | None = None, now: float) -> Opened:
        """Open a datagram. `source`: where it came from; the openings of one network are counted
        together. Raises SealError if it is forged or a repeat, DecodeError."""
        kind = datagram[0] if datagram else 0
        if kind == Kind.SEALED:
            session = self._session_of(datagram)
            payload = session.open(datagram)
            session.answer_head = None  # they have our answer
            return self._opened(session, payload, now)
        if kind == Kind.ANSWER:
            return self._open_answer(unpack_answer(datagram), datagram, now)
        if kind == Kind.OPENING:
            return self._open_opening(unpack_opening(datagram), datagram, source, now)
        raise DecodeError("session", f"kind {kind}")

    def open_run(
        self, datagrams: Sequence[bytes], *, source: Address | None = None, now: float
    ) -> OpenedRun:
        """Open datagrams that begin with the same SEALED_HEAD_SIZE bytes, or one of any other kind,
        each as `open` does. One that does not open does not keep the others from it. Raises
        SealError or DecodeError if there is no session, or if the one of another kind does not
        open."""
        if datagrams[0][:1] != _SEALED:
            opened = self.open(datagrams[0], source=source, now=now)
            return OpenedRun(
                [opened.payload], [], opened.is_newest, opened.is_return, opened.answer
            )
        session = self._session_of(datagrams[0])
        payloads, problems = session.open_all(datagrams)
        if not payloads:
            return OpenedRun(payloads, problems, is_newest=False, is_return=False, answer=None)
        session.answer_head = None
        is_newest = self._is_newest(session, now)
        return OpenedRun(payloads, problems, is_newest=is_newest, is_return=False, answer=None)

    # --- links

    def open_link(
        self, identity: bytes, payload: bytes, *, now: float
    ) -> tuple[bytes, LinkOpening]:
        """Return the first frame of a new link, which carries this payload, and the object that
        processes the answer. Raises SealError."""
        pair = self._pairs.get(identity) or self._meet(identity)
        begun = self._begin(pair, Carrier.LINK, now)
        return begun.seal(payload), LinkOpening(
            begun, parties=pair.parties, rng=self._rng, ciphers=self.ciphers
        )

    def take_link(
        self, frame: bytes, *, source: Address | None = None, now: float
    ) -> tuple[bytes, bytes, LinkSession, bytes]:
        """Accept a link's first frame, which came from `source`: return its sender, its payload,
        the link's session, and the frame to answer with.

        Raises SealError, DecodeError.
        """
        header = unpack_opening(frame)
        pair = self._pairs.get(header.identity) or self._meet(header.identity)
        if header.number <= pair.link_number:
            raise SealError("an opening that was used before")
        heard = self._hear(pair, header, Carrier.LINK, source, now)
        payload = heard.open(frame)
        pair.link_number = header.number
        head, agreed = heard.answer(bytes(SESSION_ID_SIZE))
        session = LinkSession(
            agreed, parties=pair.parties, rng=self._rng, ciphers=self.ciphers, is_peer=False
        )
        return header.identity, payload, session, session.seal(b"", head + bytes(COUNTER_SIZE))

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Erase what has expired. Early and late calls are harmless."""
        while self._ends and self._ends[0][0] <= now:
            _, _, pair, ending = heapq.heappop(self._ends)
            self._end(pair, ending)

    def next_timer(self) -> float | None:
        """Return the earliest deadline."""
        while self._ends and not self._is_held(*self._ends[0][2:]):
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    # --- inside

    def _meet(self, identity: bytes) -> Pair:
        context = None if identity == self._identity else self._context_of(identity)
        if context is None:
            raise SealError("of somebody whom we do not know")
        before = self._met_before.pop(identity, None)
        if before is None:
            parties = Parties(self._static, ours=self._identity, theirs=identity, context=context)
        else:
            parties = before.under(context)
        pair = self._pairs[identity] = Pair(parties, self._numbers.get(identity, -1), self.ciphers)
        return pair

    def _new_order(self) -> int:
        self._order += 1
        return self._order

    def _begin(self, pair: Pair, carrier: Carrier, now: float) -> OutgoingOpening:
        number, self._next_number = max(self._next_number, pair.least), self._next_number + 1
        pair.least = number + 1
        return OutgoingOpening(pair.parties, number=number, carrier=carrier, rng=self._rng, now=now)

    def _open_with(self, pair: Pair, payload: bytes, now: float) -> bytes:
        begun = self._opening_of(pair, now)
        begun.said_at = now
        return begun.seal(payload)

    def _opening_of(self, pair: Pair, now: float) -> OutgoingOpening:
        begun = pair.begun
        if begun is None or now >= begun.started + OPENING_LASTS_FOR:
            if pair.begun_before is not None:
                self._end(pair, pair.begun_before)
            pair.begun_before = begun
            begun = pair.begun = self._begin(pair, Carrier.DATAGRAMS, now)
            self._found[begun.session] = (pair, begun)
            self._end_at(now + ANSWER_AWAITED_FOR, pair, begun)
        return begun

    def _seal_and_renew(
        self, pair: Pair, session: Session, payload: bytes, now: float
    ) -> list[bytes]:
        if now >= session.born + ERASE_AFTER:
            self._end(pair, session)
            return [self._open_with(pair, payload, now)]
        datagrams = [session.seal(payload)]
        begun = pair.begun
        if begun is None or now >= begun.said_at + RENEWAL_AGAIN_AFTER:
            datagrams.append(self._open_with(pair, b"", now))
        return datagrams

    def _hear(
        self,
        pair: Pair,
        header: OpeningHeader,
        carrier: Carrier,
        source: Address | None,
        now: float,
    ) -> IncomingOpening:
        """Accept an opening. Raises SealError, before any expensive computation if the sender
        cannot prove its identity."""
        if not hmac.compare_digest(pair.parties.proof(header, carrier), header.proof):
            raise SealError("no proof of the identity that opens")
        counted_until = pair.allowed_at + COUNTED_AFTER
        if not pair.take_allowance(now):
            raise SealError("too many openings")
        if (
            source is not None
            and now < counted_until
            and not self._networks.take(network_of(source.host), now=now)
        ):
            raise SealError("too many openings of one network")
        return IncomingOpening(pair.parties, header, carrier=carrier, rng=self._rng)

    def _open_opening(
        self, header: OpeningHeader, datagram: bytes, source: Address | None, now: float
    ) -> Opened:
        pair = self._pairs.get(header.identity) or self._meet(header.identity)
        early = pair.early
        if early is None or datagram[:OPENING_HEAD_SIZE] != early.heard.head:
            if header.number <= pair.number:
                self._refuse(pair, header, now)
            heard = self._hear(pair, header, Carrier.DATAGRAMS, source, now)
            early = self._take_opening(pair, heard, header, now)
        if not early.replay.is_fresh(header.counter):
            raise SealError("replayed")
        payload = early.heard.open(datagram)
        early.replay.accept(header.counter)
        is_return, early.is_return = early.is_return, False
        session = early.session
        is_newest = pair.note(early.order, 0, header.counter, now)
        answer = None
        if not payload:
            answer = self._open_with(pair, b"", now) if session is None else session.seal(b"")
        ours = b"" if session is None else session.ours
        return Opened(header.identity, payload, ours, is_newest, is_return, answer)

    def _refuse(self, pair: Pair, header: OpeningHeader, now: float) -> NoReturn:
        """Refuse an opening: raises OldOpening if it is theirs and, as far as can be told, not a
        belated copy; else SealError. It takes nothing from their allowance: a stranger can replay
        it."""
        is_silent = now >= pair.heard_at + SILENT_AFTER
        if is_silent and hmac.compare_digest(
            pair.parties.proof(header, Carrier.DATAGRAMS), header.proof
        ):
            raise OldOpening(pair.number)
        raise SealError("an opening that was used before")

    def _take_opening(
        self, pair: Pair, heard: IncomingOpening, header: OpeningHeader, now: float
    ) -> Early:
        pair.number = header.number
        if self._opening_taken is not None:
            self._opening_taken(header.identity, header.number)
        order, session, begun, current = self._new_order(), None, pair.begun, pair.current
        is_return = current is None or now < current.renew_at - _RENEWED_EARLY
        is_tie = begun is not None and now < begun.started + OPENING_LASTS_FOR
        if is_tie and self._identity < header.identity:
            pair.is_doubted = True  # they accept ours instead, so our data goes with an opening
        else:
            ours = self._rng.randbytes(SESSION_ID_SIZE)
            head, agreed = heard.answer(ours)
            session = Session(
                pair,
                ids=(ours, header.session),
                agreed=agreed,
                order=order,
                born=now,
                answer_head=head,
            )
            self._adopt(pair, session, now)
        if pair.early is not None:
            self._end(pair, pair.early)
        early = pair.early = Early(heard, session, order, is_return=is_return)
        self._end_at(now + ERASE_AFTER, pair, early)
        return early

    def _open_answer(self, header: AnswerHeader, datagram: bytes, now: float) -> Opened:
        found = self._found.get(header.session)
        if found is None:
            raise SealError("of no session")
        if isinstance(found, Session):
            return self._opened(found, found.open(datagram, ANSWER_HEADER_SIZE), now)
        pair, begun = found
        session = Session(
            pair,
            ids=(header.session, header.theirs),
            agreed=begun.answered(header),
            order=self._order + 1,
            born=begun.started,
            answer_head=None,
        )
        try:
            payload = session.open(datagram, ANSWER_HEADER_SIZE)
        except SealError:
            session.erase()
            raise
        self._new_order()
        self._take_answer(pair, begun, session, now)
        return self._opened(session, payload, now)

    def _take_answer(
        self, pair: Pair, begun: OutgoingOpening, session: Session, now: float
    ) -> None:
        current = pair.current
        self._end(pair, begun)
        if (
            current is not None
            and current.born > begun.started
            and (current.is_begun_by_us or pair.parties.theirs < self._identity)
        ):
            self._found[session.ours] = (
                session  # data of theirs in it is read, and nothing is sealed in it
            )
            self._end_at(min(now + REPLACED_LASTS_FOR, session.born + ERASE_AFTER), pair, session)
        else:
            self._adopt(pair, session, now)

    def _adopt(self, pair: Pair, session: Session, now: float) -> None:
        """Seal under this session from now on."""
        if pair.current is not None:
            self._end_at(now + REPLACED_LASTS_FOR, pair, pair.current)
        pair.current, pair.is_doubted = session, False
        self._found[session.ours] = session
        self._end_at(session.born + ERASE_AFTER, pair, session)

    def _session_of(self, datagram: bytes) -> Session:
        session = self._found.get(datagram[1:SEALED_HEAD_SIZE])
        if not isinstance(session, Session):
            raise SealError("of no session")
        return session

    def _opened(self, session: Session, payload: bytes, now: float) -> Opened:
        is_newest = self._is_newest(session, now)
        return Opened(
            session.pair.parties.theirs,
            payload,
            session.ours,
            is_newest=is_newest,
            is_return=False,
            answer=None,
        )

    def _is_newest(self, session: Session, now: float) -> bool:
        """Record that something of a session has opened. Return whether it has the newest datagram
        of theirs."""
        pair = session.pair
        is_newest = pair.note(session.order, 1, session.replay.newest, now)
        if is_newest and session is pair.current:
            pair.is_doubted = False
        return is_newest

    def _end_at(self, when: float, pair: Pair, ending: Session | OutgoingOpening | Early) -> None:
        self._ends_made += 1
        heapq.heappush(self._ends, (when, self._ends_made, pair, ending))

    def _end(self, pair: Pair, ending: Session | OutgoingOpening | Early) -> None:
        """Erase the keys of a session or opening."""
        if not self._is_held(pair, ending):
            return
        if isinstance(ending, Session):
            del self._found[ending.ours]
            ending.erase()
            if pair.current is ending:
                pair.current = None
            if pair.early is not None and pair.early.session is ending:
                self._end(pair, pair.early)
        elif isinstance(ending, OutgoingOpening):
            del self._found[ending.session]
            ending.erase()
            if pair.begun is ending:
                pair.begun = None
            else:
                pair.begun_before = None
        else:
            ending.heard.erase()
            pair.early = None

    def _is_held(self, pair: Pair, held: Session | OutgoingOpening | Early) -> bool:
        if isinstance(held, Session):
            return self._found.get(held.ours) is held
        if isinstance(held, OutgoingOpening):
            return held is pair.begun or held is pair.begun_before
        return held is pair.early
