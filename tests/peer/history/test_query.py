"""Reading the history through the SDK: new lines are there at once, with their traces, over
restarts."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import EVERYBODY, person, room
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import SOMEBODY, MessageState
from chatapp.peer.api.trace import TraceEvent
from chatapp.peer.core.records import IncomingAdded, Named, OutgoingAdded, OutgoingChanged
from chatapp.peer.faces.export import Format, exported, history_of
from chatapp.peer.history.database import History
from chatapp.peer.history.query import shown
from chatapp.peer.history.schema import AnotherFormat
from tests.peer.core.cast import Someone
from tests.peer.village import WITHIN, Village, village
from tests.support.histories import in_memory

__all__ = ["village"]

BOB = Someone("bob")


async def test_what_was_said_is_in_the_past_with_how_it_went(village: Village) -> None:
    async with asyncio.timeout(WITHIN), village.peer("alice") as alice:
        assert await alice.past.why() is None
        assert await alice.past.page(limit=5) == []
        async with village.peer("bob") as bob:
            begun = await alice.send("bob", "hello bob")
            under_way = await alice.past.why()  # on disk as soon as it is begun
            assert under_way is not None
            assert under_way.line.id == begun.id
            assert under_way.steps[0].what is TraceEvent.SENT
            await begun.settled()
            await (await alice.send_all("hello all")).settled()
            await (await alice.send("alice", "note")).settled()
            heard = [line.text for line in await bob.past.page(limit=5)]
            assert heard[0] == "hello bob"
            assert await bob.past.page(limit=5, only_shown=True) == []
            bob.events_shown(bob.take_events())
            assert await bob.past.page(limit=5, only_shown=True) == await bob.past.page(limit=5)
        said = await alice.past.page(limit=5)
        assert [(line.text, line.conversation, line.sender) for line in said] == [
            ("hello bob", person("bob"), "alice"),
            ("hello all", EVERYBODY, "alice"),
            ("note", person("alice"), "alice"),
        ]
        assert (
            await alice.past.page(limit=1)
            == await alice.past.page(limit=1, only_shown=True)
            == said[2:]
        )
        assert await alice.past.search("HELL") == said[:2]
        assert await alice.past.search("hello", limit=1) == said[1:2]
        trace = await alice.past.why(said[0].id)
        assert trace is not None
        assert trace.line == said[0]
        assert {step.what for step in trace.steps[:-1]} == {
            TraceEvent.SENT
        }  # once, but for a machine that is busy
        assert trace.steps[-1].what is TraceEvent.ACKNOWLEDGED
        line = await alice.past.why(said[1].id)
        assert line is not None
        assert line.steps[-1].what is TraceEvent.ACCEPTED
        assert [await alice.past.why(which) for which in (-1, 0, 99, 10**40)] == [None] * 4
    with pytest.raises(NotOpen):
        await alice.past.page()
    async with asyncio.timeout(WITHIN), village.peer("alice") as again:
        assert await again.past.page(limit=5) == said
        assert await again.past.why(said[0].id) == trace


async def test_people_are_trusted_and_ignored_through_the_sdk(village: Village) -> None:
    async with asyncio.timeout(WITHIN), village.peer("alice") as alice, village.peer("bob") as bob:
        await (await alice.send("bob", "hi")).settled()
        ours, theirs = await alice.trust.number("bob"), await bob.trust.number("alice")
        assert isinstance(ours, events.SafetyNumber)
        assert isinstance(theirs, events.SafetyNumber)
        assert ours.digits == theirs.digits
        assert alice.server_key == (await alice.trust.registry_key()).held.replace(" ", "")
        assert await alice.trust.accept("bob", ours.digits) == events.Trusted(
            name="bob", is_new=False
        )
        assert [person.is_verified for person in alice.people()] == [False, True]
        assert await alice.trust.accept("carol", ours.digits) == events.NobodyKnown(name="carol")
        assert await alice.trust.ignore("bob") == events.Ignored(name="bob", is_ignored=True)
        await (await bob.send("alice", "not to be heard")).settled()
        assert [line.text for line in await alice.past.page(limit=5)] == ["hi"]
        assert await alice.trust.unignore("bob") == events.Ignored(name="bob", is_ignored=False)
        assert [line.text for line in await alice.past.page(limit=5)] == ["hi", "not to be heard"]


def test_a_line_shows_whose_it_is_as_far_as_that_was_ever_known() -> None:
    history = in_memory()
    tea = b"##tea\0"
    history.apply([Named(BOB.id, "Bob"), IncomingAdded(tea + BOB.id, 1, 0, "in a room", False)])
    history.apply(
        [OutgoingAdded(tea, 1, 0, "ours"), IncomingAdded(b"#" + b"c" * 32, 1, 0, "to all", False)]
    )
    history.apply([Named(BOB.id, "Robert")])
    lines = [shown(line, "alice") for line in history.lines.latest(9)]
    assert [(line.sender, line.conversation) for line in lines] == [
        ("Robert", room("tea")),
        ("alice", room("tea")),
        (SOMEBODY, EVERYBODY),
    ]


# --- export


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return the folder of alice's history of three lines."""
    folder = tmp_path / "peers" / "n-alice"
    folder.mkdir(parents=True)
    history = History(folder / "history.db", server="here")
    history.apply([Named(BOB.id, "bob"), OutgoingAdded(BOB.id, 7, 1_000, "one\ntwo \x1b[31m")])
    history.apply(
        [
            OutgoingChanged(BOB.id, 7, MessageState.DELIVERED, 1_500),
            IncomingAdded(b"#" + BOB.id, 1, 2_000, "ü", True),
        ]
    )
    history.close()
    return tmp_path


def test_txt_is_one_clean_line_each(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = history_of("Alice", home)
    assert path is not None
    lines = list(exported(path, "alice", Format.TXT))
    assert [line[20:] for line in lines] == [
        "alice to bob: one⏎two \\x1b[31m",
        "bob to everybody: ü",
    ]


def test_jsonl_is_all_that_is_known_untouched(home: Path) -> None:
    path = history_of("alice", home)
    assert path is not None
    one, other = map(json.loads, exported(path, "alice", Format.JSONL))
    assert (one["text"], one["state"], one["identity"]) == (
        "one\ntwo \x1b[31m",
        "delivered",
        BOB.id.hex(),
    )
    assert [(step["event"], step["at"]) for step in one["trace"]] == [
        ("sent", 1.0),
        ("acknowledged", 1.5),
    ]
    assert (other["id"], other["kind"], other["to"], other["outgoing"]) == (
        2,
        "channel",
        None,
        False,
    )


def test_it_reads_while_the_peer_writes(home: Path) -> None:
    path = home / "peers" / "n-alice" / "history.db"
    running = History(path, server="here")
    lines = exported(path, "alice", Format.TXT)
    first = next(lines)
    running.apply([OutgoingAdded(BOB.id, 8, 3_000, "meanwhile")])
    assert [first, *lines] == list(exported(path, "alice", Format.TXT))[:2]
    assert len(list(exported(path, "alice", Format.TXT))) == 3
    running.close()


def test_a_file_of_another_version_is_named_and_left_as_it_is(home: Path) -> None:
    path = home / "peers" / "n-alice" / "history.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 3")
    db.close()
    before = path.read_bytes()
    with pytest.raises(AnotherFormat):
        list(exported(path, "alice", Format.TXT))
    assert path.read_bytes() == before
