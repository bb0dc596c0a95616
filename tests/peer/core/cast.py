"""People made up for tests: keys, cards and rows in one line each, and a registry played by hand.

They do nothing on their own, so a test shows everything that is sent.
"""

import hashlib
import itertools
import random
from typing import Any, Final

import msgspec

from chatapp.peer.core.contacts import Contact
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.conversation import Conversation
from chatapp.peer.core.records import StoredStream
from chatapp.wire.address import Address
from chatapp.wire.admission import make_refused, sign_welcome
from chatapp.wire.codec import (
    Kind,
    decode_frames,
    decode_hello,
    decode_register,
    decode_request,
    encode,
    join_frames,
)
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.identity import AgreementKey, Identity, make_card
from chatapp.wire.messages.registration import Cookie, Hello, RefusalReason, Register, Welcome
from chatapp.wire.messages.table import Card, Presence, Row
from chatapp.wire.sessions.link import LinkSession
from chatapp.wire.sessions.session import SessionTable

POLICY: Final = Policy()
WALL: Final = 1_800_000_000.0
SERVER: Final = Address("9.9.9.9", 5_000)

_numbers = itertools.count(1)


class Someone:
    """A person with the keys of one program start."""

    def __init__(self, name: str, *, life: int = 1) -> None:
        self.name = name
        self.identity = Identity(_secret(name, "identity"))
        self.mail_key = AgreementKey(_secret(name, "mail"))
        self.conversations: dict[tuple[bytes, int], Talk] = {}
        """Others' ends of the sessions with this program start."""
        self.counter = life
        self.home = Address("1.1.1.1", 6_000)

    @property
    def id(self) -> bytes:
        """The identity key."""
        return self.identity.public

    def again(self, *, life: int = 2) -> "Someone":
        """Return the same person after a restart: no session, a card with a higher counter."""
        return Someone(self.name, life=life)

    def card(self, **said: Any) -> Card:
        """Return a card signed by its owner, whatever it contains."""
        words: dict[str, Any] = {
            "name": self.name,
            "mail": self.mail_key.public,
            "counter": self.counter,
        }
        words.update(said)
        return make_card(self.identity, **words)

    def row(
        self, version: int = 1, *, online: bool = True, sender_index: int = 0, **said: Any
    ) -> Row:
        """Return the person's row as the registry sends it."""
        return Row(self.card(**said), *self.home, Presence(online), 0, sender_index, version)

    def context(self) -> Context:
        """Return what the parts of this person's core share."""
        me = LocalIdentity(
            name=self.name,
            identity=self.identity,
            mail_keys=[self.mail_key],
            counter=self.counter,
        )
        return Context(me, policy=POLICY, rng=random.Random(1), wall_offset=WALL - 100.0)

    def contact(self, *, online: bool = True, stored: StoredStream | None = None) -> Contact:
        """Return the person as another one's contact, with a conversation."""
        contact = Contact(self.id, self.row(online=online))
        contact.conversation = Conversation(stored or StoredStream(), POLICY, random.Random(1))
        return contact

    def session_with(self, other: "Someone") -> "Talk":
        """Return their end of the session with another person."""
        key = (self.id, self.counter)
        if key not in other.conversations:
            other.conversations[key] = Talk(self, other)
        return other.conversations[key]


class Talk:
    """One end of a session between two people. The first to send opens it."""

    def __init__(self, one: Someone, other: Someone) -> None:
        self._other = other.id
        self.sessions = SessionTable(
            one.identity,
            rng=random.Random(next(_numbers)),
            context_of=lambda identity: b"" if identity == other.id else None,
            first_number=next(_numbers) << 20,
        )

    def seal(self, payload: bytes, *, now: float = 0.0) -> bytes:
        """Return the datagram that carries this."""
        return self.sessions.seal(self._other, payload, now=now)[0]

    def open(self, datagram: bytes, *, now: float = 0.0) -> bytes:
        """Return the content of a datagram. Raises SealError."""
        return self.sessions.open(datagram, now=now).payload


class NoRegistry:
    """No connection to a registry (a `RegistryPort`)."""

    is_up = False
    pinned: bytes | None = None

    def search(self, *, now: float) -> bool:
        return False

    def ping(self, *, now: float) -> None:
        pass

    def send_group_frame(self, frame: bytes, *, now: float) -> None:
        raise AssertionError("there is no link")


class Porter:
    """A registry played by hand: it answers each request, as often as it is asked."""

    def __init__(self, name: str = "registry") -> None:
        self._keys = keys = Someone(name)
        self.identity = keys.identity
        self.card = keys.card(name="")
        self.sessions = SessionTable(
            self.identity,
            rng=random.Random(name),
            context_of=lambda identity: self._context if identity == self._peer else None,
        )
        self._peer = self._context = b""
        self.lease = 30

    @property
    def id(self) -> bytes:
        """The identity key."""
        return self.identity.public

    def start_again(self) -> None:
        """Begin another life, with a newer card."""
        self.card = self._keys.card(name="", counter=self.card.counter + 1)

    def cookie(
        self, hello: bytes, *, nonce: bytes | None = None, cookie: bytes = b"c" * 16
    ) -> bytes:
        """Return the COOKIE for a HELLO (without its kind byte)."""
        return encode(Cookie(nonce=nonce or hello_of(hello).nonce, cookie=cookie, card=self.card))

    def welcome(self, register: bytes, *, version: int = 7, by: Identity | None = None) -> bytes:
        """Return the WELCOME for a REGISTER. Sessions belong to the registration with its nonce."""
        asked = register_of(register)
        if asked.nonce != self._context:
            self.sessions.meet_anew(asked.card.identity, now=0.0)
            self._peer, self._context = asked.card.identity, asked.nonce
        return encode(
            sign_welcome(
                by or self.identity,
                Welcome(
                    nonce=asked.nonce,
                    host="1.1.1.1",
                    port=6_000,
                    table_version=version,
                    lease=self.lease,
                    link_port=5_000,
                    clock=0,
                    servers=[],
                    signature=b"",
                ),
                identity=asked.card.identity,
            )
        )

    def refused(
        self,
        register: bytes,
        reason: RefusalReason,
        *,
        by: Identity | None = None,
        counter: int = 0,
        seconds: int = 0,
        text: str = "",
    ) -> bytes:
        """Return the REFUSED for a REGISTER."""
        asked, by = register_of(register), by or self.identity
        return encode(
            make_refused(
                by,
                nonce=asked.nonce,
                reason=reason,
                name=asked.card.name,
                counter=counter,
                seconds=seconds,
                text=text,
            )
        )

    def opened(self, datagram: bytes) -> list[object]:
        """Return the frames of a sealed datagram to us. Raises SealError for a repeated counter."""
        return list(decode_frames(self.sessions.open(datagram, now=0.0).payload))

    def sealed(self, *frames: object) -> bytes:
        """Return a sealed datagram from us to the party that opened a session."""
        payload = join_frames([encode(frame) for frame in frames])
        return self.sessions.seal(self._peer, payload, now=0.0)[0]

    def link(self, first: bytes) -> tuple[object, LinkSession, bytes]:
        """Return the request in a link's first frame, the link's session, and the answering
        frame."""
        _, payload, session, answer = self.sessions.take_link(first, now=0.0)
        return decode_request(payload), session, answer


def hello_of(datagram: bytes) -> Hello:
    """Decode a datagram that must be a HELLO."""
    assert datagram[0] == Kind.HELLO, datagram
    return decode_hello(datagram[1:])


def register_of(datagram: bytes) -> Register:
    """Decode a datagram that must be a REGISTER."""
    assert datagram[0] == Kind.REGISTER, datagram
    return decode_register(datagram[1:])


def raw(*rows: Row) -> list[msgspec.Raw]:
    """Return rows as a page or a batch holds them."""
    return [msgspec.Raw(encode(row)) for row in rows]


def _secret(name: str, what: str) -> bytes:
    return hashlib.sha256(f"{name} {what}".encode()).digest()
