"""The test vectors of docs/reference/protocol.md: fixed keys in, bytes out, made by the code itself.

`python -m tests.conformance.vectors` prints the blocks for the document. Only HPKE draws its own
random key, so the letter is made by hand (by_hand.py), and the code must open it.
"""

import hashlib
import zlib
from collections.abc import Iterator
from textwrap import wrap
from typing import Final

import msgspec

from chatapp.peer.core.people.people import safety_number
from chatapp.wire.admission import (
    CODE_BYTES,
    JoinCode,
    make_refused,
    make_register,
    make_voucher,
    sign_welcome,
)
from chatapp.wire.codec import (
    Kind,
    chunk_header,
    encode,
    encode_hello,
    encode_said,
    frame,
    join_frames,
    pack_relayed,
)
from chatapp.wire.files import ChunkSeal, file_id, packed
from chatapp.wire.identity import (
    AgreementKey,
    Identity,
    agreement_half,
    fingerprint,
    make_card,
    sign_table,
)
from chatapp.wire.messages.direct import (
    Ack,
    DirectBody,
    Edit,
    FileAnswer,
    FileOffer,
    FileOutcome,
    Floor,
    Gap,
    Known,
    LastOpening,
    OnDisk,
    Part,
    PartAck,
    PortTried,
    React,
    Reply,
    Retract,
    SeenUpTo,
    TryPort,
    TunnelAck,
    TunnelEnd,
    TunnelPiece,
    Typing,
)
from chatapp.wire.messages.files import (
    AskChunk,
    AskHave,
    AskPage,
    Have,
    NotServed,
    PageGiven,
    Unserved,
)
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.mail import LetterBody
from chatapp.wire.messages.registration import (
    Cookie,
    Hello,
    Ping,
    RefusalReason,
    ServerPlace,
    Welcome,
)
from chatapp.wire.messages.rooms import GroupBody
from chatapp.wire.messages.table import (
    By,
    Card,
    FetchCards,
    FetchTable,
    Find,
    Found,
    Presence,
    PresenceChanged,
    Row,
    Scope,
    SetStatus,
    TablePage,
    TableScope,
    Watch,
)
from chatapp.wire.roster import cells_of, roster_page, sight_digest, sight_of
from chatapp.wire.sealing import GroupKey
from chatapp.wire.sessions.session import SessionTable
from tests.conformance import by_hand
from tests.conformance.document import Vectors

Value = bytes | str | int
_WIDTH: Final = 112

AT: Final = 1_800_000_000_000
NUMBER: Final = 1_800_000_000_000_000
VERSION: Final = AT + 7
NONCE: Final = bytes(range(15, -1, -1))
"""A nonce whose last byte is 0."""
COOKIE: Final = bytes(range(0xC0, 0xD0))
TEXT: Final = "grüß dich 🙂"
GROUP_KEY: Final = bytes(range(0x60, 0x80))
EPHEMERAL: Final = b"\x0e" * 32


class Party:
    """A party with fixed keys."""

    def __init__(self, name: str, first: int) -> None:
        self.name = name
        self.identity = Identity(bytes([first]) * 32)
        self.first = first
        self.mail = AgreementKey(bytes([first + 2]) * 32)

    @property
    def card(self) -> Card:
        """Their card."""
        return make_card(self.identity, name=self.name, mail=self.mail.public, counter=AT)

    def randbytes(self, n: int, /) -> bytes:
        """Return what they draw: the id of a session, or the secret half of a handshake key."""
        return bytes([self.first + 1]) * n

    def knows(self, other: "Party", context: bytes = b"") -> SessionTable:
        """Return their sessions with another party."""
        return SessionTable(
            self.identity,
            rng=self,
            context_of=lambda identity: context if identity == other.identity.public else None,
            first_number=NUMBER,
        )


ALICE: Final = Party("alice", 0x01)
BOB: Final = Party("bób", 0x11)
REGISTRY: Final = Party("", 0x21)


def _keys() -> Iterator[tuple[str, Value]]:
    for who, party in (("alice", ALICE), ("bob", BOB), ("registry", REGISTRY)):
        yield f"{who}.identity.seed", party.identity.seed
        yield f"{who}.identity", party.identity.public
        yield f"{who}.mail.secret", party.mail.raw
        yield f"{who}.mail", party.mail.public
    yield "alice.fingerprint", fingerprint(ALICE.identity.public)
    yield "alice.bob.safety", safety_number(ALICE.identity.public, BOB.identity.public)


def _cards() -> Iterator[tuple[str, Value]]:
    for who, party in (("alice", ALICE), ("bob", BOB), ("registry", REGISTRY)):
        yield f"{who}.name", party.name
        yield f"{who}.counter", party.card.counter
        yield f"{who}.card", encode(party.card)


def _table() -> Iterator[tuple[str, Value]]:
    place = ("192.0.2.7", 6_000, Presence.ONLINE, AT // 1_000, 9, VERSION)
    row = encode(Row(ALICE.card, *place, "exam on Friday", "at lunch"))
    batch = encode(TablePage(since=AT, version=VERSION, more=False, rows=[msgspec.Raw(row)]))
    payload = sign_table(REGISTRY.identity, batch)
    yield "row", row
    yield "batch", batch
    yield "payload", payload
    yield "key", GROUP_KEY
    yield "epoch", 3
    yield "datagram", GroupKey("channel", epoch=3, key=GROUP_KEY).seal(0, payload)


def _roster() -> Iterator[tuple[str, Value]]:
    """The columns as they are before they are deflated: that is not the same everywhere."""
    alice = Row(ALICE.card, "192.0.2.7", 6_000, Presence.ONLINE, AT // 1_000, 9, VERSION)
    bob = Row(BOB.card, "", 0, Presence.AWAY, AT // 1_000 - 60, 0, VERSION, "exam on Friday", None)
    whole, known = [cells_of(alice)], [cells_of(bob)]
    page = roster_page(AT, VERSION, more=False, whole=whole, known=known)
    inflated = zlib.decompress(page.columns)
    columns = zlib.compress(inflated, 0)  # stored as it is
    yield "page", encode(msgspec.structs.replace(page, columns=columns))
    yield "fetch", encode(FetchCards([BOB.card.identity]))


def _interest() -> Iterator[tuple[str, Value]]:
    """What is said on a link while many people are online."""
    alice = Row(ALICE.card, "192.0.2.7", 6_000, Presence.ONLINE, AT // 1_000, 9, VERSION)
    bob = Row(BOB.card, "", 0, Presence.AWAY, AT // 1_000 - 60, 0, VERSION, "exam on Friday", None)
    keys = [ALICE.card.identity, BOB.card.identity]
    digest = sight_digest(keys[0], alice) ^ sight_digest(keys[1], bob)
    yield (
        "scope",
        encode(TableScope(Scope.INTEREST, 9_999, VERSION, digest.to_bytes(8, "big"))),
    )
    yield "watch", encode(Watch(7, AT, keys, []))
    yield "changed", encode(PresenceChanged(7, more=False, people=[sight_of(alice), sight_of(bob)]))
    yield "find", encode(Find(8, By.PREFIX, "al", after="alan", limit=2, only_online=True))
    yield "found", encode(Found(8, [sight_of(alice)], more=True))


def _admission() -> Iterator[tuple[str, Value]]:
    register = make_register(
        ALICE.identity,
        registry=REGISTRY.identity.public,
        nonce=NONCE,
        cookie=COOKIE,
        card=ALICE.card,
    )
    welcome = sign_welcome(
        REGISTRY.identity,
        Welcome(
            nonce=NONCE,
            host="192.0.2.7",
            port=6_000,
            table_version=VERSION,
            lease=30,
            link_port=5_000,
            clock=1_700_000_000_000,
            servers=[ServerPlace("192.0.2.8", 5_001), ServerPlace("standby.example", 5_000)],
            signature=b"",
        ),
        identity=ALICE.card.identity,
    )
    refused = make_refused(
        REGISTRY.identity,
        nonce=NONCE,
        reason=RefusalReason.BANNED,
        name="alice",
        seconds=3_600,
        text="spam",
    )
    cookie = Cookie(nonce=NONCE, cookie=COOKIE, card=REGISTRY.card)
    yield "nonce", NONCE
    yield "cookie", COOKIE
    yield "hello", bytes([Kind.HELLO]) + encode_hello(Hello(version=1, nonce=NONCE))
    yield "cookie.datagram", bytes([Kind.COOKIE]) + encode(cookie)
    yield "register", bytes([Kind.REGISTER]) + encode(register)
    yield "welcome", bytes([Kind.WELCOME]) + encode(welcome)
    yield "refused", bytes([Kind.REFUSED]) + encode(refused)


def _invitation() -> Iterator[tuple[str, Value]]:
    registry, identity = REGISTRY.identity.public, ALICE.identity.public
    code = JoinCode.generate(bytes(range(CODE_BYTES)), registry=registry)
    yield "code", code.text
    yield "code.key", code.public
    yield "invitation", code.invitation_for(registry=registry, nonce=NONCE, identity=identity)


def _voucher() -> Iterator[tuple[str, Value]]:
    registry, visitor = REGISTRY.identity.public, BOB.identity
    card = make_card(visitor, name="", mail=BOB.mail.public, counter=AT)
    gateway = ALICE.identity
    register = make_register(
        visitor, registry=registry, nonce=NONCE, cookie=COOKIE, card=card, gateway=gateway
    )
    yield "voucher", make_voucher(gateway, registry=registry, nonce=NONCE, identity=visitor.public)
    yield "register", bytes([Kind.REGISTER]) + encode(register)


def _session() -> Iterator[tuple[str, Value]]:
    payload = join_frames([encode(Ping(reference=1))])
    alice, bob = ALICE.knows(BOB), BOB.knows(ALICE)
    yield "alice.agreement.secret", ALICE.identity.agreement_key().raw
    yield "alice.agreement", ALICE.identity.agreement_key().public
    yield "bob.agreement", agreement_half(BOB.identity.public)
    yield (
        "static.agreement",
        ALICE.identity.agreement_key().agree(agreement_half(BOB.identity.public)),
    )
    yield "number", NUMBER
    for who, party in (("alice", ALICE), ("bob", BOB)):
        yield f"{who}.session", party.randbytes(8)
        yield f"{who}.ephemeral.secret", party.randbytes(32)
    yield "payload", payload
    (opening,) = alice.seal(BOB.identity.public, payload, now=0.0)
    begun = alice._pairs[BOB.identity.public].begun
    assert begun is not None
    yield "early.key", begun._early_key
    yield "opening.0", opening
    yield "opening.1", alice.seal(BOB.identity.public, payload, now=0.0)[0]
    bob.open(opening, now=0.0)
    (answer,) = bob.seal(ALICE.identity.public, payload, now=0.0)
    alice.open(answer, now=0.0)
    session = alice._pairs[BOB.identity.public].current
    assert session is not None
    yield "answer.0", answer
    yield "key.alice-to-bob", session._seal_key
    yield "key.bob-to-alice", session._open_key
    for counter in range(2):
        yield f"datagram.{counter}", alice.seal(BOB.identity.public, payload, now=0.0)[0]


def _direct() -> Iterator[tuple[str, Value]]:
    body = encode_said(DirectBody(at=AT, text=TEXT))
    frames = [
        Ack(first=7, ranges=[3, 2, 1], life=2**31, sync=5),
        OnDisk(life=2**31, sync=4),
        PartAck(number=NUMBER - 1, first=0, ranges=[2]),
        Gap(first=NUMBER - 3, count=2),
        Floor(number=NUMBER - 4),
        Known(number=NUMBER + 1),
        LastOpening(number=NUMBER - 5),
        Typing(),
        SeenUpTo(number=NUMBER - 6),
        TunnelPiece(tunnel=5, by_opener=True, index=0, data=b"a"),
        TunnelAck(tunnel=5, by_opener=False, upto=1, first=3, ranges=[1]),
        TunnelEnd(tunnel=5, by_opener=True),
        TryPort(reference=5),
        PortTried(reference=5, has_reached=True),
        Part(number=NUMBER, index=0, count=1, body=body),
    ]
    yield "text", TEXT
    yield "at", AT
    yield "number", NUMBER
    yield "body", body
    for name, relation in (
        ("reply", Reply(BOB.identity.public, NUMBER)),
        ("edit", Edit(b"", NUMBER)),
        ("retract", Retract(b"", NUMBER)),
        ("react", React(BOB.identity.public, NUMBER, is_on=True)),
        ("offer", FileOffer(len(FILE), FILE_KEY, (hashlib.sha256(_page()).digest(),))),
        ("answer", FileAnswer(BOB.identity.public, NUMBER, FileOutcome.HAS)),
    ):
        text = {"retract": "", "react": "👍", "offer": "plan.txt", "answer": ""}.get(name, TEXT)
        yield f"body.{name}", encode_said(DirectBody(AT, text, relation))
    yield "payload", join_frames([encode(one) for one in frames])


FILE: Final = b"tomorrow at noon"
FILE_KEY: Final = bytes(range(32))


def _page() -> bytes:
    return hashlib.sha256(ChunkSeal(FILE_KEY).seal(0, FILE)).digest()


def _files() -> Iterator[tuple[str, Value]]:
    named = file_id(FILE_KEY)
    yield "content", FILE
    yield "key", FILE_KEY
    yield "file", named
    yield "page", _page()
    yield "chunk", chunk_header(0) + ChunkSeal(FILE_KEY).seal(0, FILE)
    yield "ask.page", encode(AskPage(named, 0))
    yield "ask.chunk", encode(AskChunk(named, 0))
    yield "ask.have", encode(AskHave(named, 0))
    yield "page.given", encode(PageGiven(0, _page()))
    yield "not.served", encode(NotServed(named, Unserved.CHANGED))
    yield "have", encode(Have(0, packed(1), (BOB.identity.public,)))


def letter_body() -> LetterBody:
    """Return the content of the letter."""
    return LetterBody(
        number=NUMBER,
        floor=NUMBER - 4,
        since=NUMBER - 1,
        sender=ALICE.identity.public,
        sender_name=ALICE.name,
        recipient=BOB.identity.public,
        recipient_name=BOB.name,
        at=AT,
        text=TEXT,
    )


def _letter() -> Iterator[tuple[str, Value]]:
    fields = list(msgspec.structs.astuple(letter_body())[:-1])
    yield "body", encode_said(letter_body())
    yield "ephemeral.secret", EPHEMERAL
    yield "letter", by_hand.letter(fields, ALICE.identity.seed, BOB.mail.public, EPHEMERAL)


def _group() -> Iterator[tuple[str, Value]]:
    key = GroupKey("channel", epoch=3, key=GROUP_KEY)
    body = encode_said(GroupBody(number=NUMBER, floor=NUMBER - 4, at=AT, text=TEXT))
    first, second = key.seal(9, body), key.seal(9, body)
    yield "tag", key.tag
    yield "key", GROUP_KEY
    yield "epoch", 3
    yield "sender_index", 9
    yield "body", body
    yield "frame.0", first
    yield "frame.1", second
    yield "relayed", pack_relayed(NUMBER, first)


def _link() -> Iterator[tuple[str, Value]]:
    peer, registry = ALICE.knows(REGISTRY, NONCE), REGISTRY.knows(ALICE, NONCE)
    first, begun = peer.open_link(REGISTRY.identity.public, encode(Attach()), now=0.0)
    _, _, theirs, answer = registry.take_link(first, now=0.0)
    ours = begun.answered(answer)
    yield "context", NONCE
    yield "number", NUMBER
    yield "attach", encode(Attach())
    yield "fetch", encode(FetchTable(since=AT))
    yield "status", encode(SetStatus("exam on Friday", "at lunch"))
    yield "opening", frame(first)
    yield "answer", frame(answer)
    yield "key.up", ours._seal_key
    yield "key.down", ours._open_key
    up, down = ours.seal(encode(FetchTable(since=AT))), theirs.seal(b"")
    theirs.open(up)
    ours.open(down)
    yield "frame.up.0", frame(up)
    yield "frame.down.1", frame(down)
    yield "binding", ours._binding
    ours._rng, theirs._rng = Party("", 0x31), Party("", 0x41)
    yield "renewal.peer.ephemeral.secret", ours._rng.randbytes(32)
    yield "renewal.registry.ephemeral.secret", theirs._rng.randbytes(32)
    first = ours.renew()
    yield "renewal.up.1", frame(first)
    second = theirs.renewal_came(first)
    yield "renewal.down.2", frame(second)
    yield "renewal.up.2", frame(ours.renewal_came(second))
    yield "renewed.key.up", ours._seal_key
    yield "renewed.key.down", ours._open_key
    yield "frame.up.3", frame(ours.seal(encode(FetchTable(since=AT))))


BLOCKS: Final = {
    "keys": _keys,
    "cards": _cards,
    "table": _table,
    "roster": _roster,
    "interest": _interest,
    "admission": _admission,
    "invitation": _invitation,
    "voucher": _voucher,
    "session": _session,
    "direct": _direct,
    "files": _files,
    "letter": _letter,
    "group": _group,
    "link": _link,
}


def made() -> Vectors:
    """All blocks, with values as the document writes them."""
    return {name: {key: written(value) for key, value in block()} for name, block in BLOCKS.items()}


def written(value: Value) -> str:
    """A value as the document writes it."""
    match value:
        case bytes():
            return value.hex()
        case str():
            return f'"{value}"'
        case int():
            return str(value)


def printed() -> str:
    """The blocks as Markdown."""
    lines: list[str] = []
    for name, values in made().items():
        lines += [f"```vectors {name}"]
        for key, value in values.items():
            lines += wrap(
                f"{key} = {value}", _WIDTH, subsequent_indent="    ", break_on_hyphens=False
            )
        lines += ["```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(printed())
