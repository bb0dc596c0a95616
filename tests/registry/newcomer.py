"""A peer without a link, played by hand: its keys, its registration, and its sealed datagrams.

It does only what a test tells it.
"""

import random
from typing import TYPE_CHECKING

from chatapp.wire.address import Address
from chatapp.wire.admission import JoinCode, make_register
from chatapp.wire.codec import (
    DatagramFrame,
    Kind,
    decode_cookie,
    decode_frames,
    decode_refused,
    decode_table_batch,
    decode_welcome,
    encode,
    encode_hello,
    join_frames,
)
from chatapp.wire.identity import AgreementKey, Identity, is_table_signed, make_card, table_in
from chatapp.wire.messages.registration import (
    PROTOCOL_VERSION,
    Cookie,
    Hello,
    Leave,
    Ping,
    Refused,
    Register,
    Welcome,
)
from chatapp.wire.messages.table import Card, Page, TablePage
from chatapp.wire.sealing import GroupKey
from chatapp.wire.sessions.session import SessionTable

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
        self.sessions = SessionTable(self.identity, rng=self.rng, context_of=self._context_of)
        self._registry = (b"", b"")
        """The registry that let us in, and the nonce."""
        self.key: GroupKey | None = None
        self.gateway: Identity | None = None
        """The key of the gateway through which they come, as visitors of the help desk may."""
        self.renew()

    @property
    def id(self) -> bytes:
        return self.identity.public

    def renew(self) -> None:
        """Start again: no session, and a card with a higher counter."""
        self.counter += 1
        self.sessions = SessionTable(
            self.identity,
            rng=self.rng,
            context_of=self._context_of,
            first_number=self.counter << 20,
        )
        self.card = self.make_card()

    def make_card(self, **other: object) -> Card:
        said = {
            "name": self.name,
            "mail": self.mail_key.public,
            "counter": self.counter,
        } | other
        return make_card(self.identity, **said)  # type: ignore[arg-type]

    # --- coming in

    def hello(self, *, version: int = PROTOCOL_VERSION) -> Cookie:
        """Send HELLO; returns the COOKIE."""
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
            gateway=self.gateway,
        )
        return bytes((Kind.REGISTER,)) + encode(register)

    def answer(self) -> Welcome | Refused | None:
        """Return the registry's answer to our REGISTER."""
        for data in self.rig.take(self.address):
            if data[0] == Kind.WELCOME:
                return decode_welcome(data[1:])
            if data[0] == Kind.REFUSED:
                return decode_refused(data[1:])
        return None

    def register(
        self, *, card: Card | None = None, code: JoinCode | None = None
    ) -> Welcome | Refused | None:
        """Register completely."""
        cookie = self.hello()
        asked = self.register_bytes(cookie, card=card, code=code)
        self.rig.receive(asked, self.address)
        answer = self.answer()
        if isinstance(answer, Welcome):
            self.use_registry(cookie)
        return answer

    def use_registry(self, cookie: Cookie) -> None:
        """Use this registry for sessions from now on, under the registration with this nonce."""
        self._registry = (cookie.card.identity, cookie.nonce)
        self.sessions.meet_anew(cookie.card.identity, now=self.rig.now)

    def _context_of(self, identity: bytes) -> bytes | None:
        return self._registry[1] if identity == self._registry[0] else None

    # --- sealed datagrams

    def seal(self, *frames: object) -> bytes:
        payload = join_frames([encode(frame) for frame in frames])
        return self.sessions.seal(self._registry[0], payload, now=self.rig.now)[0]

    def ping(self, reference: int = 7) -> list[DatagramFrame]:
        self.rig.receive(self.seal(Ping(reference)), self.address)
        return self.heard()

    def leave(self, reference: int = 8) -> list[DatagramFrame]:
        self.rig.receive(self.seal(Leave(reference)), self.address)
        return self.heard()

    def heard(self) -> list[DatagramFrame]:
        """Return the frames of sealed datagrams that arrived."""
        frames: list[DatagramFrame] = []
        for data in self.rig.take(self.address):
            if data[0] in (Kind.OPENING, Kind.SEALED, Kind.ANSWER):
                payload = self.sessions.open(data, now=self.rig.now).payload
                frames += decode_frames(payload) if payload else []
        return frames

    def batches(self) -> list[TablePage]:
        """Return the table broadcasts that arrived, with their signatures checked, none of them in
        columns."""
        told = self.told()
        found = [one for one in told if isinstance(one, TablePage)]
        assert len(found) == len(told)
        return found

    def told(self) -> list[Page]:
        """Return the table broadcasts that arrived, with their signatures checked."""
        assert self.key is not None
        found: list[Page] = []
        for data in self.rig.take(self.address):
            if data[0] == Kind.GROUP:
                payload = self.key.open(data)
                assert is_table_signed(payload, registry=self.rig.identity.public)
                found.append(decode_table_batch(table_in(payload)))
        return found
