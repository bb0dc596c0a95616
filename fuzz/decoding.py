"""Fuzz targets: decoders and parsers of typed text, which must return a value or raise one named
error."""

from typing import Final

from chatapp.peer.api.trace import readable, unpacked
from chatapp.peer.commands.meanings import Context
from chatapp.peer.commands.parser import parse
from chatapp.registry.program.settings import flaw_of_bans, flaw_of_keys
from chatapp.registry.rules.desk import console as desk
from chatapp.registry.rules.people.access import Bans
from chatapp.registry.store import entries
from chatapp.wire import address, sealing
from chatapp.wire.admission import CodeRefused, JoinCode
from chatapp.wire.codec import FrameReader, encode, unpack_group, unpack_relayed
from chatapp.wire.desk.form import full_name, mobile_number
from chatapp.wire.errors import ChatAppError, FormRefused, WireError
from chatapp.wire.identity import AgreementKey, Identity
from chatapp.wire.messages.mail import SignedLetter
from chatapp.wire.names import file_name_of, looks_of, name_key, peer_name
from chatapp.wire.sealing import open_letter
from chatapp.wire.storage import frame, scan
from chatapp.wire.text import sanitize
from tests.support.strategies import DECODERS
from tests.wire.decoding import is_taken_or_refused

_ALICE: Final = peer_name("alice")
_CONTEXTS: Final = (
    Context(me=_ALICE),
    Context(me=_ALICE, offline=True),
    Context(me=_ALICE, room="tea"),
    Context(me=_ALICE, serves=True, on_duty=True),
    Context(me=_ALICE, room="tea", on_duty=True),
)


def decoders(data: bytes) -> None:
    """All decoders of the protocol."""
    for decode in DECODERS:
        is_taken_or_refused(decode, data)


def headers(data: bytes) -> None:
    """Headers of datagrams and frames."""
    for unpack in (unpack_group, unpack_relayed):
        try:
            unpack(data)
        except WireError:
            continue


def frames(data: bytes) -> None:
    """A stream cut into pieces as its first byte says: it gives the same frames as in one piece."""
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


class Letters:
    """Letters: arbitrary ones, and nonsense correctly sealed by a friend."""

    def __init__(self) -> None:
        self.reader = Identity(b"r" * 32)
        self.sender = Identity(b"s" * 32)
        self.key = AgreementKey(b"m" * 32)

    def __call__(self, data: bytes) -> None:
        mail_key = self.key.hpke.public_key()
        sealed = sealing._suite.encrypt(data, mail_key, info=sealing._LETTER)
        body = self.sender.sign(sealing._LETTER, self.key.public + data)
        signed = encode(SignedLetter(body=data, signature=body))
        honest = sealing._suite.encrypt(signed, mail_key, info=sealing._LETTER)
        hint = self.key.public[:4]
        for letter in (data, hint + data, hint + sealed, hint + honest):
            try:
                opened = open_letter(
                    letter,
                    reader=self.reader.public,
                    mail_keys=[self.key],
                    sender=self.sender.public,
                )
            except WireError:
                continue
            assert (opened.sender, opened.recipient) == (self.sender.public, self.reader.public)


def words(data: bytes) -> None:
    """Names, texts, forms, addresses, join codes, keys: everything that people type into a
    field."""
    text = data.decode("utf-8", "surrogateescape")
    shown = sanitize(text)
    assert not any((ord(sign) < 32 and sign != "\t") or 0x7F <= ord(sign) < 0xA0 for sign in shown)
    _name(text)
    for refuse, read in ((CodeRefused, JoinCode), (FormRefused, full_name)):
        try:
            read(text)
        except refuse:
            continue
    try:
        number = mobile_number(text, "IN")
        assert mobile_number(number, "IN") == number
    except FormRefused:
        pass
    address.normalized_host(text), address.network_of(text)
    host = address.ip_literal(text)
    assert host is None or address.ip_literal(host) == host
    is_flawless = not flaw_of_bans([text])
    assert is_flawless == _can_ban(text)
    flaw_of_keys([text])


def _name(text: str) -> None:
    try:
        name = peer_name(text)
    except ChatAppError:
        return
    assert peer_name(name) == name
    assert name_key(name) == name_key(name_key(name))
    assert "/" not in file_name_of(name_key(name))
    looks_of(name)


def _can_ban(text: str) -> bool:
    try:
        bans = Bans([text])
    except (ValueError, ChatAppError):
        return False
    (
        bans.has_host("10.1.2.3"),
        bans.has_host("2001:db8::1"),
        bans.has_name("alice"),
        bans.has_key(b"k" * 32),
    )
    return True


def grammar(data: bytes) -> None:
    """Lines typed at a peer, and at the registry's terminal."""
    text = data.decode("utf-8", "surrogateescape")
    for context in _CONTEXTS:
        parse(text, context)
    desk.parse(text)


def records(data: bytes) -> None:
    """Journals and what they hold: whole records, then nothing."""
    payloads, whole = scan(data)
    assert data[:whole] == b"".join(map(frame, payloads))
    entry = entries.decode(data)
    assert entry is None or entries.decode(entries.encode(entry)) == entry


def traces(data: bytes) -> None:
    """A delivery trace as stored in the history."""
    readable(unpacked(data, 0), 0)
    readable(unpacked(int.from_bytes(data[:8]), 0), 0)
