"""Valid bytes to begin from: messages of every kind, the datagrams of a small busy world, typed
lines, and files. They are the same in every run."""

import functools
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageState
from chatapp.peer.api.form import StoredVisit
from chatapp.peer.api.trace import TraceEvent
from chatapp.peer.commands.commands import COMMANDS
from chatapp.peer.core import records as said
from chatapp.peer.core.context import packed
from chatapp.peer.core.records import CHANNEL_MARK
from chatapp.peer.history.database import History
from chatapp.registry.program.settings import configure, shown
from chatapp.registry.rules.admin_requests import ListNames, MakeInvites, ReleaseName
from chatapp.registry.store import entries
from chatapp.wire.admission import CODE_BYTES, JoinCode
from chatapp.wire.codec import frame
from chatapp.wire.storage import frame as record
from chatapp.wire.storage import scan
from fuzz.instances import instance
from tests.registry.store.strategies import Author
from tests.support.people import Person
from tests.support.strategies import ALONE, FRAMES, NOTICES, REQUESTS, Message, bytes_of
from tests.support.world import World

EXAMPLES: Final = 6
"""Examples of each kind of message."""


@functools.cache
def _examples(shapes: tuple[type[Message], ...]) -> list[bytes]:
    chance = Random(1)
    return [bytes_of(instance(shape, chance)) for shape in shapes for _ in range(EXAMPLES)]


def alone() -> list[bytes]:
    """Messages that stand alone."""
    return _examples(tuple(ALONE))


def payloads() -> list[bytes]:
    """What a sealed datagram holds: frames of every kind."""
    return _examples(FRAMES)


def requests() -> list[bytes]:
    """What a peer or a visitor says on the link."""
    return _examples(REQUESTS)


def notices() -> list[bytes]:
    """What the registry says on the link."""
    return _examples(NOTICES)


def messages() -> list[bytes]:
    """Return messages of every kind."""
    return [*alone(), *payloads(), *requests(), *notices()]


@functools.cache
def datagrams() -> list[bytes]:
    """Datagrams of a world in which everybody talks, in a room and outside it."""
    world = World(2, people=3)
    world.start()
    for person in world.people:
        person.enter("tea")
    world.network.run_for(2.0)
    for person in world.people:
        _say_something(person, world.people[0].name)
    world.network.run_for(2.0)
    return [data for data, _, _ in world.network.recorded]


def _say_something(person: Person, to: str) -> None:
    person.send_all("to all of you")
    person.send(to, "x" * 1_500)
    person.say("in here")


def link_streams() -> list[bytes]:
    """Frames of a link, several in a row."""
    pieces = [*requests(), *notices()]
    return [b"".join(map(frame, pieces[at : at + 3])) for at in range(0, len(pieces), 3)]


def words() -> list[bytes]:
    """Short things that people type: names, numbers, addresses, keys, codes."""
    code = JoinCode.generate(bytes(CODE_BYTES), registry=b"r" * 32).text
    texts = [
        "alice",
        "Álvaro",
        "ΣΊΣΥΦΟΣ",
        "x-1_y",
        "名前",
        "Asha Rao",
        "O'Neill",
        "+91 98765 43210",
        "9876543210",
    ]
    texts += [
        "192.0.2.1",
        "2001:db8::1%eth0",
        "::ffff:192.0.2.1",
        "10.0.0.0/8",
        "5000",
        code,
        code.lower(),
    ]
    texts += [
        "ab" * 16,
        "ab:cd " * 16,
        "\x1b[31mred\x1b[0m",
        "e\u0301\u202eabc",
        "\U0001f469\u200d\U0001f4bb",
    ]
    return [text.encode() for text in texts]


def lines() -> list[bytes]:
    """Typed lines: every command in every spelling, with arguments of every kind."""
    typed = [f"{sign} bob hi" for row in COMMANDS for sign in row.spellings]
    typed += [
        f"{sign}{rest}"
        for row in COMMANDS
        for sign in row.spellings
        for rest in ("", " bob", " 'a b' \"c\"", " 3 1")
    ]
    typed += [
        "//x",
        "bob: hi",
        "bob:hi",
        ".drop 3",
        ".move 3 1",
        ".handover bob",
        ".note he said",
        ".on desk",
        "..x",
    ]
    return [line.encode() for line in typed]


@functools.cache
def journals() -> list[bytes]:
    """Journals with entries of every kind."""
    found: list[bytes] = []

    @settings(
        max_examples=12, derandomize=True, database=None, phases=[Phase.generate], deadline=None
    )
    @given(st.data())
    def write(data: st.DataObject) -> None:
        author = Author()
        said = [one for _ in range(3) for one in author.batch(data)]
        found.append(b"".join(record(entries.encode(one)) for one in said))

    write()
    return found


def entry_bytes() -> list[bytes]:
    """Single entries."""
    return [payload for journal in journals() for payload in scan(journal)[0]]


def configurations() -> list[bytes]:
    """Configuration files: every key, and mistakes."""
    whole = "\n".join(
        shown(configure(environment={"CHATAPP_REGION": "IN", "CHATAPP_QUEUES": "desk sales"}))
    )
    texts = [
        whole,
        *(f"[{table}" for table in whole.split("[") if table),
        'ban = ["10.0.0.0/8", "mallory"]',
        "region = 1",
    ]
    return [text.encode() for text in texts]


def keepsakes() -> list[bytes]:
    """Small JSON files: tickets, keys, renames, admin requests."""
    errands = [MakeInvites(codes=[b"c" * 32]), ListNames(), ReleaseName(name="bob")]
    texts = [
        msgspec.json.encode(one)
        for one in (StoredVisit(ticket=b"t" * 16, shown=3), StoredVisit(), *errands)
    ]
    keys = [[1_700_000_000.5, "ab" * 32], [1_600_000_000.0, "cd" * 32]]
    return [
        *texts,
        msgspec.json.encode(keys),
        b'["alice", "alicia"]',
        b"1700000000000",
        b"[" * 4_000,
        b'[[1e999, "ab"]]',
    ]


def traces() -> list[bytes]:
    """Delivery traces."""
    steps = (
        (TraceEvent.SENT.number, 0, 1),
        (TraceEvent.KEPT.number, 5, 1_700_000_000),
        (TraceEvent.ACKNOWLEDGED.number, 9, 2, 4, 1),
        (TraceEvent.REFUSED.number, 9, "why"),
    )
    return [packed(steps), packed(steps[:1]), packed(())]


@functools.cache
def histories() -> list[bytes]:
    """A `history.db` with something in every table."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        write_history(path)
        return [path.read_bytes()]


def write_history(path: Path) -> None:
    """Write such a history."""
    history = History(path, server="registry")
    them, mark = b"b" * 32, CHANNEL_MARK
    history.apply(
        [
            said.RegistryPinned(b"r" * 32),
            said.OutgoingAdded(them, 1, 1_000, "hi"),
            said.OutgoingAdded(them, 4, 2_000, "are you there"),
            said.OutgoingChanged(them, 1, MessageState.DELIVERED, 1_500),
            said.OutgoingDelivered(them, 4, 1, 2_500),
            said.IncomingAdded(them, 7, 1_000, "hello", False, False),
            said.IncomingAdded(them, 9, 1_000, "hello again", True, True),
            said.OutgoingAdded(mark, 1, 3_000, "to all"),
            said.Shown(them, 7),
            said.FloorRaised(them, 5),
            said.CursorMoved(3, "channel"),
        ]
    )
    history.close()


def patches() -> list[bytes]:
    """Changes of a history (`fuzz.files.HistoryFile`): of some bytes, and of each column to values
    of each type."""
    bytes_ = [
        bytes((0, *at.to_bytes(3), value))
        for at in range(0, 60_000, 2_999)
        for value in (0, 1, 255)
    ]
    return bytes_ + [
        bytes((0x80 + column, kind)) + b"\x91\x01" for column in range(48) for kind in range(6)
    ]
