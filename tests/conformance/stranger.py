"""Another program than ours: a peer written from docs/reference/protocol.md with `by_hand`, and nothing of
ours.

It does what a test tells it, keeps no time and sends nothing by itself. It must not import `wire`.
"""

import struct
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.conformance import by_hand

Fields = list[Any]


def unpacked(data: bytes) -> Fields:
    """Return a message as the array that it is."""
    fields = msgspec.msgpack.decode(data)
    assert isinstance(fields, list)
    return fields


class Stranger:
    """An independent peer. Methods return what it sends, and take what it receives."""

    def __init__(self, name: str, first: int, *, counter: int = 1) -> None:
        self.name = name
        self.seed, self.ephemeral, self.mail = (bytes([first + place]) * 32 for place in range(3))
        self.identity = by_hand.identity_of(self.seed)
        self.card = by_hand.card(self.seed, name, by_hand.public_of(self.mail), counter)
        self.nonce = bytes([first]) * 15 + b"\0"
        self.other = self.context = b""
        self.openings = counter << 20
        """The number of its next opening; always rises."""
        self.forget()
        self.link_keys = (b"", b"")
        self.link_sent = self.link_read = 0
        self.group: Fields = []
        self.said = 0

    # --- coming in (clause 4)

    def hello(self, *, version: int = 1) -> bytes:
        """Return a HELLO of 256 bytes."""
        short = by_hand.packed([version, self.nonce, b""])
        return b"\x01" + by_hand.packed([version, self.nonce, bytes(255 - len(short))])

    def register(self, cookie: bytes) -> bytes:
        """Return the REGISTER that answers a COOKIE; from here on the registry is the other end."""
        assert cookie[0] == 2
        nonce, proof, card = unpacked(cookie[1:])
        assert nonce == self.nonce
        self.meet(card)
        self.context = nonce
        said = [card[1], nonce, proof, self.card]
        signature = by_hand.signed(self.seed, b"chatapp register 1\0", by_hand.packed(said))
        return b"\x03" + by_hand.packed([nonce, proof, self.card, signature])

    def meet(self, card: Fields) -> None:
        """Seal for the owner of this card from here on."""
        self.other, self.context = card[1], b""
        self.forget()

    def forget(self) -> None:
        """Restart the program: no session, and none begun."""
        self.begun: tuple[by_hand.Handshake, bytes, bytes, bytes, bytes] | None = None
        self.head = self.seal_key = self.open_key = self.ours = b""
        self.sealed_so_far = 0

    # --- sealed datagrams (clause 5)

    @property
    def secret(self) -> bytes:
        """Return the X25519 form of our identity."""
        return by_hand.agreement_secret(self.seed)

    def begin(self, way: bytes) -> tuple[by_hand.Handshake, bytes, bytes, bytes, bytes]:
        """Begin a session: return the handshake, the head of its datagrams, their key, our id and
        our ephemeral secret."""
        number, self.openings = self.openings, self.openings + 1
        ours, ephemeral = struct.pack(">Q", number), struct.pack(">Q", number) + self.ephemeral[8:]
        bound_to = by_hand.prologue(
            self.identity, self.other, number, ours, way=way, context=self.context
        )
        handshake = by_hand.Handshake(bound_to, self.identity, self.other)
        half = by_hand.agreement_half(self.other)
        ss = by_hand.agreed(self.secret, half)
        first = handshake.first(by_hand.public_of(ephemeral), by_hand.agreed(ephemeral, half), ss)
        shown = by_hand.proof(ss, bound_to, first)
        head = by_hand.opening_head(self.identity, number, ours, first, shown)
        return handshake, head, handshake.early_key(), ours, ephemeral

    def seal(self, *frames: Fields) -> bytes:
        """Seal frames for the other end."""
        return self.seal_bytes(by_hand.packed(list(frames)))

    def seal_bytes(self, payload: bytes) -> bytes:
        """Seal any payload."""
        if not self.head:
            self.begun = self.begin(by_hand.DATAGRAMS)
            _, self.head, self.seal_key, *_ = self.begun
            self.sealed_so_far = 0
        counter, self.sealed_so_far = self.sealed_so_far, self.sealed_so_far + 1
        return by_hand.sealed_behind(self.head, self.seal_key, counter, payload)

    def open(self, datagram: bytes) -> list[Fields]:
        """Open the frames that the other end sealed; none if the datagram only begins a session."""
        if datagram[0] == 6:
            payload = self._opened_to(datagram)
        elif datagram[0] == 10:
            payload = self._answered(datagram)
        else:
            assert datagram[:9] == b"\x07" + self.ours
            payload = by_hand.opened_behind(13, self.open_key, datagram)
        return unpacked(payload) if payload else []

    def _answered(self, datagram: bytes) -> bytes:
        """Process the answer to our opening; later datagrams belong to the session."""
        if self.begun is not None:
            self.seal_key, self.open_key = self._keys_of(self.begun, datagram)
            self.ours, self.begun, self.sealed_so_far = self.begun[3], None, 0
            self.head = b"\x07" + datagram[9:17]
        assert datagram[1:9] == self.ours
        return by_hand.opened_behind(69, self.open_key, datagram)

    def _keys_of(
        self, begun: tuple[by_hand.Handshake, bytes, bytes, bytes, bytes], answer: bytes
    ) -> tuple[bytes, bytes]:
        handshake, _, _, ours, ephemeral = begun
        assert answer[:9] == b"\x0a" + ours
        theirs = answer[17:49]
        ee, se = by_hand.agreed(ephemeral, theirs), by_hand.agreed(self.secret, theirs)
        assert handshake.second(theirs, ee, se) == answer[17:65]
        return handshake.keys()

    def _opened_to(self, datagram: bytes) -> bytes:
        """Process an opening of theirs; from here on we seal in its session."""
        assert datagram[1:33] == self.other
        number, session = int.from_bytes(datagram[33:41], "big"), datagram[41:49]
        theirs = datagram[49:81]
        bound_to = by_hand.prologue(
            self.other, self.identity, number, session, way=by_hand.DATAGRAMS, context=self.context
        )
        handshake = by_hand.Handshake(bound_to, self.other, self.identity)
        ss = by_hand.agreed(self.secret, by_hand.agreement_half(self.other))
        first = handshake.first(theirs, by_hand.agreed(self.secret, theirs), ss)
        assert datagram[49:113] == first + by_hand.proof(ss, bound_to, first)
        payload = by_hand.opened_behind(117, handshake.early_key(), datagram)
        ephemeral = datagram[41:49] + self.ephemeral[8:]
        ee = by_hand.agreed(ephemeral, theirs)
        se = by_hand.agreed(ephemeral, by_hand.agreement_half(self.other))
        second = handshake.second(by_hand.public_of(ephemeral), ee, se)
        if self.ours != session[::-1]:
            self.ours, self.sealed_so_far = session[::-1], 0
        self.open_key, self.seal_key = handshake.keys()
        self.head, self.begun = by_hand.answer_head(session, self.ours, second), None
        return payload

    # --- the link (clause 9)

    def first_frame(self, request: Fields) -> bytes:
        """Return the first frame of a link's session, with its length."""
        self.link_begun = self.begin(by_hand.LINK)
        _, head, key, *_ = self.link_begun
        body = by_hand.sealed_behind(head, key, 0, by_hand.packed(request))
        return struct.pack(">I", len(body)) + body

    def link_answered(self, frame: bytes) -> None:
        """Process the registry's first frame."""
        self.link_keys = self._keys_of(self.link_begun, frame)
        assert by_hand.opened_behind(69, self.link_keys[1], frame) == b""
        self.link_sent, self.link_read = 0, 1
        self.link_hash = self.link_begun[0].hash

    def renew(self) -> bytes:
        """Return the frame that begins a renewal of the link's keys, with its length."""
        handshake = by_hand.Handshake(
            b"chatapp renewal 1\0" + self.link_hash, self.identity, self.other
        )
        ephemeral = self.ephemeral[:24] + struct.pack(">Q", self.link_sent)
        half = by_hand.agreement_half(self.other)
        es, ss = by_hand.agreed(ephemeral, half), by_hand.agreed(self.secret, half)
        first = handshake.first(by_hand.public_of(ephemeral), es, ss)
        self.renewal = handshake, ephemeral
        return self._link_frame(first, b"\x0b")

    def renewed(self, frame: bytes) -> bytes:
        """Process the registry's frame of a renewal; returns the frame after which our new key is
        used, with its length."""
        second = self._link_opened(frame, b"\x0b")
        handshake, ephemeral = self.renewal
        ee, se = by_hand.agreed(ephemeral, second[:32]), by_hand.agreed(self.secret, second[:32])
        assert handshake.second(second[:32], ee, se) == second
        last = self._link_frame(b"", b"\x0b")
        self.link_keys, self.link_hash = handshake.keys(), handshake.hash
        return last

    def ask(self, request: Fields) -> bytes:
        """Return a request as a framed SEALED frame."""
        return self._link_frame(by_hand.packed(request), b"\x07")

    def _link_frame(self, payload: bytes, kind: bytes) -> bytes:
        count, self.link_sent = self.link_sent, self.link_sent + 1
        return by_hand.link_frame(self.link_keys[0], count, payload, kind)

    def _link_opened(self, frame: bytes, kind: bytes) -> bytes:
        assert frame[:1] == kind
        nonce = struct.pack(">IQ", 0, self.link_read)
        self.link_read += 1
        return AESGCM(self.link_keys[1]).decrypt(nonce, frame[1:], kind)

    def read(self, frame: bytes) -> Fields:
        """Read a frame of the registry (without its length), and keep a granted channel key."""
        notice = unpacked(self._link_opened(frame, b"\x07"))
        if notice[0] == 50:
            self.group = notice
        return notice

    # --- the channel (clause 8)

    def say(self, text: str, *, number: int) -> bytes:
        """Return a line of the channel as a framed GROUP frame."""
        _, name, epoch, key, sender_index, _ = self.group
        payload = by_hand.packed([number, number, 1_700_000_000_000, text])
        body = by_hand.group_frame(key, name, epoch, sender_index, self.said, payload)
        self.said += 1
        return struct.pack(">I", len(body)) + body

    def hear(self, group: bytes) -> tuple[int, bytes]:
        """Return the sender index and the payload of a GROUP frame."""
        kind, tag, epoch, sender_index, counter = struct.unpack(">B8sIIQ", group[:25])
        assert (kind, tag, epoch) == (8, by_hand.group_tag(self.group[1]), self.group[2])
        nonce = struct.pack(">IQ", sender_index, counter)
        return sender_index, AESGCM(self.group[3]).decrypt(nonce, group[25:], group[:25])
