"""The handshake with a registry: how each end proves to the other who it is (clauses 4.1 to 4.5).

Which registry we expect is decided here: the one whose key the user named, else the one that is pinned, else the one
that made our join code, else the first.
"""

import random

from chatapp.wire.admission import JoinCode, is_refused_authentic, is_welcome_authentic, make_register
from chatapp.wire.codec import encode, encode_hello
from chatapp.wire.framing import Kind
from chatapp.wire.identity import Identity, fingerprint, fingerprint_digits, in_groups_of_four, is_authentic
from chatapp.wire.messages.registration import PROTOCOL_VERSION, Cookie, Hello, Refused, Welcome
from chatapp.wire.messages.table import Card


class Handshake:
    """Our end: one attempt after the other, each under a nonce of its own."""

    def __init__(self, *, identity: Identity, pinned: bytes | None, rng: random.Random) -> None:
        self._identity = identity
        self._rng = rng
        self._nonce = b""
        self._cookie: Cookie | None = None
        self._card: Card | None = None
        self._code: JoinCode | None = None
        self.pinned = pinned
        self.demanded: str | None = None
        """The digits of the fingerprint that the registry must have, whatever is pinned."""
        self.is_key_named = False
        """Whether the user or a join code named the key of the registry that let us in last."""
        self.stranger: bytes | None = None
        """The key that answers this attempt instead of the one that we expect."""

    @property
    def is_code_foreign(self) -> bool:
        """Whether the join code was made by another registry than the one that answers: it is not shown there."""
        met = self.stranger or (self._cookie.card.identity if self._cookie is not None else None)
        return self._code is not None and met is not None and not self._code.is_made_by(met)

    @property
    def expected(self) -> str:
        """The fingerprint of the key that we expect; empty while any key will do."""
        if self.demanded is not None:
            return in_groups_of_four(self.demanded)
        return "" if self.pinned is None else fingerprint(self.pinned)

    def use_card(self, card: Card) -> None:
        """What to register with from now on."""
        self._card = card

    def use_code(self, code: JoinCode | None) -> None:
        """The join code to show from now on."""
        self._code = code

    def begin(self) -> None:
        """A new attempt."""
        self._nonce, self.stranger = self._rng.randbytes(16), None

    def hello(self) -> bytes:
        """The datagram that asks who is there."""
        return bytes((Kind.HELLO,)) + encode_hello(Hello(version=PROTOCOL_VERSION, nonce=self._nonce))

    def takes_cookie(self, cookie: Cookie) -> bool:
        """Whether it answers our HELLO and is by the registry that we expect."""
        if cookie.nonce != self._nonce or not is_authentic(cookie.card):
            return False
        if not self._is_expected(cookie.card.identity):
            self.stranger = cookie.card.identity
            return False
        self._cookie, self.stranger = cookie, None
        return True

    def _is_expected(self, registry: bytes) -> bool:
        if self.demanded is not None:
            return fingerprint_digits(registry) == self.demanded
        if self.pinned is not None:
            return registry == self.pinned
        return self._code is None or self._code.is_made_by(registry)

    def register(self) -> bytes:
        """The datagram that asks to be let in."""
        assert self._cookie is not None and self._card is not None
        return bytes((Kind.REGISTER,)) + encode(
            make_register(
                self._identity,
                registry=self._cookie.card.identity,
                nonce=self._nonce,
                cookie=self._cookie.cookie,
                card=self._card,
                code=None if self.is_code_foreign else self._code,
            )
        )

    def takes_welcome(self, welcome: Welcome) -> Card | None:
        """The card of the registry that has let us in herewith; it is pinned from now on."""
        if welcome.nonce != self._nonce or self._cookie is None:
            return None
        card = self._cookie.card
        if not is_welcome_authentic(welcome, registry=card.identity, identity=self._identity.public):
            return None
        self.pinned = card.identity
        is_named_by_code = self._code is not None and self._code.is_made_by(card.identity)
        self.is_key_named |= self.demanded is not None or is_named_by_code
        return card

    def takes_refused(self, refused: Refused, *, is_registering: bool) -> bool:
        """Whether it is by the registry that we asked. Who has pinned nobody yet believes whoever knows the nonce, as it
        would believe their COOKIE."""
        if refused.nonce != self._nonce:
            return False
        registry = self._cookie.card.identity if is_registering and self._cookie else self._known
        return registry is None or is_refused_authentic(refused, registry=registry)

    @property
    def _known(self) -> bytes | None:
        """The pinned key, unless the user demands another one."""
        return self.pinned if self.pinned is not None and self._is_expected(self.pinned) else None
