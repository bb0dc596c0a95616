"""This file is about a peer without a link, played by hand: its keys, how it comes in, what it seals into datagrams.

It does just what a test tells it.
"""

import random
from typing import TYPE_CHECKING

from wire.address import Address
from wire.admission import make_register, signed_table
from wire.codec import (
    DatagramFrame,
    decode_cookie,
    decode_frames,
    decode_refused,
    decode_table_batch,
    decode_welcome,
    encode,
    encode_hello,
    join_frames,
)
from wire.header import Kind
from wire.identity import AgreementKey, Identity, make_card
from wire.invitations import JoinCode
from wire.messages.presence import Leave, Ping
from wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello, Refused, Register, Welcome
from wire.messages.table import Card, TableBatch
from wire.sealing import GroupKey, Session

if TYPE_CHECKING:
    from tests.registry.rig import Rig


class Newcomer:
    """One peer, with the keys of one program start."""

    def __init__(self, rig: "Rig", name: str, *, host: str, seed: int) -> None:
        self.rig = rig
        self.name = name
        self.rng = random.Random(seed * 7_919)
        self.identity = Identity(self.rng.randbytes(32))
        self.mail_key = AgreementKey(self.rng.randbytes(32))
        self.address = Address(host, 6_000)
        self.counter = 0
        self.session: Session | None = None
        self._session_of = (b"", b"")
        self.key: GroupKey | None = None
        self.renew()

    @property
    def id(self) -> bytes:
        return self.identity.public

    def renew(self) -> None:
        """A new live key and a card with a higher counter, as at a start."""
        self.counter += 1
        self.live = AgreementKey(self.rng.randbytes(32))
        self.card = self.make_card()

    def make_card(self, **other: object) -> Card:
        said = {
            "name": self.name,
            "live": self.live.public,
            "mail": self.mail_key.public,
            "counter": self.counter,
        } | other
        return make_card(self.identity, **said)  # type: ignore[arg-type]

    # --- coming in

    def hello(self, *, version: int = PROTOCOL_VERSION) -> Cookie:
        """HELLO, and the COOKIE that answers it."""
        nonce = self.rng.randbytes(16)
        self.rig.receive(
            bytes((Kind.HELLO,)) + encode_hello(Hello(version=version, nonce=nonce)), self.address
        )
        came = self.rig.take(self.address)
        answer = came.pop()
        assert answer[0] == Kind.COOKIE
        self.rig.datagrams[self.address] += came
        cookie = decode_cookie(answer[1:])
        assert cookie.nonce == nonce
        return cookie

    def register_bytes(
        self,
        cookie: Cookie,
        *,
        card: Card | None = None,
        code: JoinCode | None = None,
    ) -> bytes:
        register: Register = make_register(
            self.identity,
            registry=cookie.card.identity,
            nonce=cookie.nonce,
            cookie=cookie.cookie,
            card=card or self.card,
            code=code or self.rig.operator_code(self.name),
        )
        return bytes((Kind.REGISTER,)) + encode(register)

    def answer(self) -> Welcome | Refused | None:
        """What the registry said to our REGISTER."""
        for data in self.rig.take(self.address):
            if data[0] == Kind.WELCOME:
                return decode_welcome(data[1:])
            if data[0] == Kind.REFUSED:
                return decode_refused(data[1:])
        return None

    def register(self, *, card: Card | None = None, code: JoinCode | None = None) -> Welcome | Refused | None:
        """The whole way in."""
        cookie = self.hello()
        asked = self.register_bytes(cookie, card=card, code=code)
        self.rig.receive(asked, self.address)
        answer = self.answer()
        if isinstance(answer, Welcome):
            self.use_registry(cookie.card)
        return answer

    def use_registry(self, card: Card) -> None:
        """A session with the registry of this card, unless we have it (its counters must go on)."""
        ours = (self.live.public, card.live)
        if self.session is None or self._session_of != ours:
            self._session_of = ours
            self.session = Session(
                live=self.live, identity=self.id, their_live=card.live, their_identity=card.identity
            )

    # --- sealed datagrams

    def seal(self, *frames: object) -> bytes:
        assert self.session is not None
        return self.session.seal(join_frames([encode(frame) for frame in frames]))

    def ping(self, reference: int = 7) -> list[DatagramFrame]:
        self.rig.receive(self.seal(Ping(reference)), self.address)
        return self.heard()

    def leave(self, reference: int = 8) -> list[DatagramFrame]:
        self.rig.receive(self.seal(Leave(reference)), self.address)
        return self.heard()

    def heard(self) -> list[DatagramFrame]:
        """Frames of sealed datagrams that came."""
        assert self.session is not None
        frames: list[DatagramFrame] = []
        for data in self.rig.take(self.address):
            if data[0] == Kind.SEALED:
                frames += decode_frames(self.session.open(data))
        return frames

    def batches(self) -> list[TableBatch]:
        """Broadcasts of the table that came, proved."""
        assert self.key is not None
        found: list[TableBatch] = []
        for data in self.rig.take(self.address):
            if data[0] == Kind.GROUP:
                batch = signed_table(self.key.open(data), registry=self.rig.identity.public)
                assert batch is not None
                found.append(decode_table_batch(batch))
        return found
