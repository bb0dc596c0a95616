"""This file is about another program than ours: a peer written from docs/protocol.md with `by_hand`, and nothing of ours.

It does what a test tells it, keeps no time and sends nothing by itself. It must not import `wire`.
"""

import struct
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.conformance import by_hand

Fields = list[Any]


def unpacked(data: bytes) -> Fields:
    """A message as the array that it is."""
    fields = msgspec.msgpack.decode(data)
    assert isinstance(fields, list)
    return fields


class Stranger:
    """A peer. What it sends is returned; what comes is handed to it."""

    def __init__(self, name: str, first: int, *, counter: int = 1) -> None:
        self.name = name
        self.seed, self.live, self.mail = (bytes([first + place]) * 32 for place in range(3))
        self.identity = by_hand.identity_of(self.seed)
        self.card = by_hand.card(
            self.seed, name, by_hand.public_of(self.live), by_hand.public_of(self.mail), counter
        )
        self.nonce = bytes([first]) * 15 + b"\0"
        self.other: tuple[bytes, bytes] = (b"", b"")
        self.sealed_so_far = 0
        self.link_keys = (b"", b"")
        self.link_sent = self.link_read = 0
        self.group: Fields = []
        self.said = 0

    # --- coming in (clause 4)

    def hello(self, *, version: int = 1) -> bytes:
        """HELLO, 256 bytes."""
        short = by_hand.packed([version, self.nonce, b""])
        return b"\x01" + by_hand.packed([version, self.nonce, bytes(255 - len(short))])

    def register(self, cookie: bytes) -> bytes:
        """REGISTER in answer to a COOKIE; from here on the registry is the other end."""
        assert cookie[0] == 2
        nonce, proof, card = unpacked(cookie[1:])
        assert nonce == self.nonce
        self.meet(card)
        said = [card[1], nonce, proof, self.card]
        signature = by_hand.signed(self.seed, b"chatapp register 1\0", by_hand.packed(said))
        return b"\x03" + by_hand.packed([nonce, proof, self.card, signature])

    def meet(self, card: Fields) -> None:
        """From here on sealed datagrams are for the owner of this card."""
        self.other = (card[1], card[2])
        self.sealed_so_far = 0

    # --- sealed datagrams (clause 5)

    @property
    def me(self) -> tuple[bytes, bytes]:
        """Identity and live key."""
        return self.identity, by_hand.public_of(self.live)

    def key(self, *, is_ours: bool) -> bytes:
        """The key of one direction with the other end."""
        sender, recipient = (self.me, self.other) if is_ours else (self.other, self.me)
        return by_hand.direction_key(self.live, sender, recipient, self.other[1])

    def seal(self, *frames: Fields) -> bytes:
        """Frames for the other end."""
        tag = by_hand.session_tag(self.me[1], self.other[1])
        counter, self.sealed_so_far = self.sealed_so_far, self.sealed_so_far + 1
        return by_hand.sealed(self.key(is_ours=True), tag, counter, by_hand.packed(list(frames)))

    def open(self, datagram: bytes) -> list[Fields]:
        """The frames that the other end sealed."""
        kind, tag, counter = struct.unpack(">B8sQ", datagram[:17])
        assert (kind, tag) == (7, by_hand.session_tag(self.other[1], self.me[1]))
        nonce = struct.pack(">IQ", 0, counter)
        return unpacked(AESGCM(self.key(is_ours=False)).decrypt(nonce, datagram[17:], datagram[:17]))

    # --- the link (clause 9)

    def greeting(self) -> bytes:
        """The first bytes on a new connection."""
        return by_hand.session_tag(self.me[1], self.other[1]) + b"\x77" * 16

    def answered(self, random: bytes) -> bytes:
        """The registry's 16 bytes came; returns the first frame."""
        info = b"chatapp link 1\0" + b"\x77" * 16 + random
        self.link_keys = (
            by_hand.derived(self.key(is_ours=True), info),
            by_hand.derived(self.key(is_ours=False), info),
        )
        self.link_sent = self.link_read = 0
        return self.ask([60])

    def ask(self, request: Fields) -> bytes:
        """A request as a framed SEALED frame."""
        count, self.link_sent = self.link_sent, self.link_sent + 1
        return by_hand.link_frame(self.link_keys[0], count, by_hand.packed(request))

    def read(self, frame: bytes) -> Fields:
        """A frame of the registry (without its length). A key of the channel that it grants is kept."""
        assert frame[0] == 7
        nonce = struct.pack(">IQ", 0, self.link_read)
        self.link_read += 1
        notice = unpacked(AESGCM(self.link_keys[1]).decrypt(nonce, frame[1:], frame[:1]))
        if notice[0] == 50:
            self.group = notice
        return notice

    # --- the channel (clause 8)

    def say(self, text: str, *, number: int) -> bytes:
        """A line of the channel as a framed GROUP frame."""
        _, name, epoch, key, station, _ = self.group
        payload = by_hand.packed([number, number, 1_700_000_000_000, text])
        body = by_hand.group_frame(key, name, epoch, station, self.said, payload)
        self.said += 1
        return struct.pack(">I", len(body)) + body

    def hear(self, group: bytes) -> tuple[int, bytes]:
        """The station and the payload of a GROUP frame."""
        kind, tag, epoch, station, counter = struct.unpack(">B8sIIQ", group[:25])
        assert (kind, tag, epoch) == (8, by_hand.group_tag(self.group[1]), self.group[2])
        nonce = struct.pack(">IQ", station, counter)
        return station, AESGCM(self.group[3]).decrypt(nonce, group[25:], group[:25])
