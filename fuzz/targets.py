"""This file is about what is fuzzed: every way by which strange bytes come in, each a function of bytes that must not raise.

A decoder gives a message or DecodeError; a core drops and counts, and answers nobody with more than they sent. It knows the
product; it must not know the fuzzer.
"""

import random
from collections.abc import Callable
from typing import Final

from peer.ui.grammar import parse
from peer.ui.intentions import Context
from registry.store import entries
from registry.store.records import frame, scan
from tests.registry.rig import Rig
from tests.support.strategies import DECODERS
from tests.support.world import World
from wire.address import Address
from wire.errors import ChatAppError, WireError
from wire.framing import FrameReader
from wire.header import unpack_group, unpack_relayed, unpack_sealed
from wire.names import name_key, peer_name, skeleton
from wire.text import clean

Target = Callable[[bytes], None]
STRANGER: Final = Address("7.7.7.7", 7_777)


def decoders(data: bytes) -> None:
    """All of them."""
    for decode in DECODERS:
        try:
            decode(data)
        except WireError:
            continue


def headers(data: bytes) -> None:
    """Headers of datagrams and frames."""
    for unpack in (unpack_sealed, unpack_group, unpack_relayed):
        try:
            unpack(data)
        except WireError:
            continue


def frames(data: bytes) -> None:
    """A stream in pieces, cut as its first byte says: the same frames as in one piece."""
    size = 1 + (data[0] if data else 0)
    whole, pieces = FrameReader(), FrameReader()
    whole.feed(data)
    expected, found = _all_frames(whole), []
    for start in range(0, len(data), size):
        pieces.feed(data[start : start + size])
        found += _all_frames(pieces)
        if found and found[-1] is None:
            break
    assert [one for one in found if one is not None] == [one for one in expected if one is not None]


def _all_frames(reader: FrameReader) -> list[bytes | None]:
    found: list[bytes | None] = []
    try:
        while (frame := reader.next_frame()) is not None:
            found.append(frame)
    except WireError:
        found.append(None)
    return found


def names(data: bytes) -> None:
    """Names and texts, of any Unicode."""
    text = data.decode("utf-8", "surrogateescape")
    shown = clean(text)
    assert not any((ord(sign) < 32 and sign != "\t") or 0x7F <= ord(sign) < 0xA0 for sign in shown)
    try:
        name = peer_name(text)
    except ChatAppError:
        return
    assert peer_name(name) == name
    assert name_key(name) == name_key(name_key(name))
    skeleton(name_key(name))


def grammar(data: bytes) -> None:
    """Whatever is typed."""
    text = data.decode("utf-8", "surrogateescape")
    for offline in (False, True):
        parse(text, Context(me=peer_name("alice"), offline=offline))


def records(data: bytes) -> None:
    """Journals and what they hold: whole records, then nothing."""
    payloads, whole = scan(data)
    assert data[:whole] == b"".join(map(frame, payloads))
    entries.decode(data)


class Registry:
    """A registry with people in it, which hears anything by datagram, on a new connection and on a link."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.alice = self.rig.member("alice")
        self.bob = self.rig.member("bob")

    def __call__(self, data: bytes) -> None:
        rig = self.rig
        rig.receive(data, STRANGER)
        sent = sum(map(len, rig.take(STRANGER)))
        assert sent <= len(data), "more bytes out than in"
        link = rig.open_link(STRANGER.host)
        rig.core.link_greeted(link, data[:24].ljust(24, b"\0"), now=rig.now)
        rig.core.receive_frames(link, [data[24:]], now=rig.now)
        rig.close_link(link)
        alice = self.alice
        assert alice.link is not None
        alice.send_raw(alice.cipher.seal(data))
        if alice.link in rig.closed:
            self.__init__()  # type: ignore[misc]
        rig.now += 0.001


class Peer:
    """A peer among others, which hears anything by datagram and by a sealed one of somebody whom it knows."""

    def __init__(self) -> None:
        self.world = World(1, people=2)
        self.world.start()
        self.world.network.run_for(2.0)

    def __call__(self, data: bytes) -> None:
        alice, bob = self.world.people
        now = self.world.network.now
        for source in (STRANGER, self.world.house.address, bob.address):
            alice.core.receive_datagram(data, source, now=now)
        contact = bob.core._contacts.by_name("alice")
        assert contact is not None
        session = contact.session(bob.core.me.live, bob.identity.public)
        alice.core.receive_datagram(session.seal(data[:1_100]), bob.address, now=now)
        alice.core.events(), alice.core.records_to_store(), alice.core.datagrams_to_send(now=now)


TARGETS: Final[dict[str, Callable[[], Target]]] = {
    "decoders": lambda: decoders,
    "headers": lambda: headers,
    "frames": lambda: frames,
    "names": lambda: names,
    "grammar": lambda: grammar,
    "records": lambda: records,
    "registry": Registry,
    "peer": Peer,
}
"""By name; each is made once a run."""


def samples() -> list[bytes]:
    """Valid bytes to begin from: every datagram of a lively little world, what people type, and a journal."""
    world = World(2, people=3)
    world.start()
    world.network.run_for(2.0)
    for person in world.people:
        person.send_all("to all of you")
        person.send(world.people[0].name, "x" * 1_500)
    world.network.run_for(2.0)
    datagrams = [data for data, _, _ in world.network.recorded]
    typed = [
        line.encode()
        for line in ("send bob hi", "send_all hé", "/msg bob 'a b'", "reg alice", "//x", "help send")
    ]
    names = [name.encode() for name in ("alice", "Álvaro", "ΣΊΣΥΦΟΣ", "x-1_y", "名前")]
    return [*datagrams, *(data[1:] for data in datagrams), *typed, *names, frame(b"record") * 3]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Valid bytes with something changed, as a fuzzer without feedback does it."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        match chance.randrange(4):
            case 0 if changed:
                changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            case 1:
                del changed[chance.randrange(len(changed) + 1) :]
            case 2:
                place = chance.randrange(len(changed) + 1)
                changed[place:place] = chance.randbytes(chance.randrange(1, 9))
            case _ if changed:
                begin = chance.randrange(len(changed))
                changed[begin : begin + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(9))
    return bytes(changed)
