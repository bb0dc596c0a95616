"""The history on disk: applied records come back, all or nothing, over restarts."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.peer.api.events import MessageState
from chatapp.peer.api.trace import Stored
from chatapp.peer.core.records import (
    DEAD,
    FINAL,
    CursorMoved,
    FloorRaised,
    FormerName,
    IgnoreChanged,
    IncomingAdded,
    LineAccepted,
    Loaded,
    MuteChanged,
    NameBlocked,
    NameCleared,
    Named,
    NumberUsed,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingDelivered,
    OutgoingMoved,
    OutgoingOnDisk,
    Overtaken,
    ReadUpTo,
    Record,
    RegistryPinned,
    RoomKept,
    RowsSaved,
    Shown,
    ShownBehind,
    StoredGroup,
    StoredIncoming,
    StoredOutgoing,
    StoredStream,
    parties_of,
)
from chatapp.peer.history import loading
from chatapp.peer.history.database import History
from chatapp.wire.messages.direct import LAST_NUMBER, PROVISIONAL
from chatapp.wire.messages.rooms import CHANNEL
from chatapp.wire.messages.table import Row
from chatapp.wire.names import name_key
from tests.peer.core.cast import Someone
from tests.support.histories import in_memory

BOB, CAROL = Someone("bob"), Someone("carol")
PEOPLE: Final = (BOB, CAROL)
STREAMS: Final = (b"b" * 32, b"#" + b"b" * 32)


# --- a model: the records themselves, and what they mean


class Model:
    """The applied records, as plain dictionaries."""

    def __init__(self) -> None:
        self.outgoing: dict[bytes, dict[int, OutgoingAdded]] = {}
        self.state: dict[tuple[bytes, int], MessageState] = {}
        self.incoming: dict[bytes, dict[int, IncomingAdded]] = {}
        self.behind: set[tuple[bytes, int]] = set()
        self.trace: dict[tuple[bytes, int], Stored] = {}
        self.blocked: dict[str, Row] = {}
        self.ignored: set[bytes] = set()
        self.muted: dict[bytes, MuteChanged] = {}
        self.formers: dict[bytes, str] = {}
        self.floor: dict[bytes, int] = {}
        self.holes: dict[bytes, dict[int, int]] = {}
        self.shown: dict[bytes, int] = {}
        self.rows: dict[bytes, Row] = {}
        self.fixed: dict[str, object] = {
            "registry": None,
            "version": 0,
            "table_at": 0.0,
        }
        self.rooms: dict[str, RoomKept] = {}
        self.groups: dict[str, StoredGroup] = {}
        self.used: dict[bytes, int] = {}
        self.on_disk: dict[bytes, int] = {}
        self.ids: dict[tuple[bool, bytes, int], int] = {}
        """By (ours, stream, number): lines are counted as they come."""

    def apply(self, record: Record) -> None:
        match record:
            case OutgoingAdded(stream, number):
                self.outgoing.setdefault(stream, {})[number] = record
                self.state[(stream, number)] = MessageState.UNSETTLED
                self.ids[(True, stream, number)] = len(self.ids) + 1
            case OutgoingChanged(stream, number, state, trace):
                if (stream, number) in self.state:
                    self.state[(stream, number)] = state
                    if trace is not None:
                        self.trace[(stream, number)] = trace
            case OutgoingDelivered(stream, first, count, at_ms):
                for number in range(first, first + count):
                    self.apply(OutgoingChanged(stream, number, MessageState.DELIVERED, at_ms))
            case IncomingAdded(stream, number, behind=behind):
                if behind and number not in self.incoming.get(stream, {}):
                    self.behind.add((stream, number))
                self.incoming.setdefault(stream, {}).setdefault(number, record)
                self.ids.setdefault((False, stream, number), len(self.ids) + 1)
            case Overtaken(stream, number):
                if number in self.incoming.get(stream, {}):
                    self.behind.add((stream, number))
            case ShownBehind(stream, number):
                self.behind.discard((stream, number))
            case Shown(stream, number):
                self.shown[stream] = max(number, self.shown.get(stream, 0))
            case FloorRaised(stream, floor, holes):
                self.floor[stream] = max(floor, self.floor.get(stream, 0))
                self.holes[stream] = dict(holes)
            case _:
                self._apply_rare(record)

    def _decide(self, record: IgnoreChanged | MuteChanged) -> None:
        match record:
            case IgnoreChanged(identity, is_ignored):
                (self.ignored.add if is_ignored else self.ignored.discard)(identity)
            case MuteChanged(key, _, until):
                self.muted.pop(key, None)
                if until is not None:
                    self.muted[key] = record

    def _apply_rare(self, record: Record) -> None:
        match record:
            case NameBlocked(key, row):
                self.blocked[key] = row
            case NameCleared(key, dropped):
                self.blocked.pop(key, None)
                if dropped is not None:
                    self.rows.pop(dropped, None)
                    self.formers.pop(dropped, None)
            case FormerName(identity, key):
                self.formers = {one: name for one, name in self.formers.items() if name != key}
                self.formers[identity] = key
            case IgnoreChanged() | MuteChanged():
                self._decide(record)
            case CursorMoved(position, group):
                self.groups[group] = StoredGroup(
                    position, self.groups.get(group, StoredGroup()).newest
                )
            case LineAccepted(position, group):
                self.groups[group] = StoredGroup(
                    self.groups.get(group, StoredGroup()).cursor, position
                )
            case NumberUsed(stream, number):
                self.used[stream] = max(number, self.used.get(stream, 0))
            case OutgoingOnDisk(stream, number):
                self.on_disk[stream] = max(number, self.on_disk.get(stream, 0))
            case RoomKept(group, members, owes_leave):
                self.rooms[group] = record
                if members is None and not owes_leave:
                    del self.rooms[group]
            case RegistryPinned(identity):
                if self.fixed["registry"] not in (None, identity):
                    self._begin_with_another_registry()
                self.fixed["registry"] = identity
            case RowsSaved(rows, version, at):
                self.fixed |= {"version": version, "table_at": at}
                self.rows |= {row.card.identity: row for row in rows}

    def _begin_with_another_registry(self) -> None:
        """Pins stay; versions and positions belonged to the former registry."""
        self.fixed["version"] = 0
        self.groups.clear()
        self.rows = {
            identity: msgspec.structs.replace(row, version=0) for identity, row in self.rows.items()
        }
        self.blocked = {
            key: msgspec.structs.replace(row, version=0) for key, row in self.blocked.items()
        }

    def check(self, loaded: Loaded) -> None:
        """Check that these records come back."""
        for field, value in self.fixed.items():
            assert getattr(loaded, field) == value, field
        assert {row.card.identity: row for row in loaded.rows} == self.rows
        assert loaded.groups == self.groups
        assert {room.group: room for room in loaded.rooms} == self.rooms
        assert {name_key(row.card.name): row for row in loaded.blocked} == self.blocked
        assert loaded.ignored == self.ignored
        assert {one.key: one for one in loaded.muted} == self.muted
        assert loaded.former_names == self.formers
        assert loaded.last_id == len(self.ids)
        for stream in STREAMS:
            self._check_stream(stream, loaded.streams.get(stream, StoredStream()))

    def _check_stream(self, stream: bytes, loaded: StoredStream) -> None:
        floor, shown = self.floor.get(stream, 0), self.shown.get(stream, 0)
        assert (loaded.floor, loaded.shown) == (floor, shown)
        incoming, holes = self.incoming.get(stream, {}), self.holes.get(stream, {})
        assert dict(loaded.holes) == holes
        late = {number for start, end in holes.items() for number in range(start, end)}
        assert set(loaded.seen) == {
            number for number in incoming if number >= floor or number in late
        }
        assert loaded.unshown == tuple(
            StoredIncoming(
                number,
                one.at_ms,
                one.text,
                (stream, number) in self.behind,
                self.ids[(False, stream, number)],
            )
            for number, one in sorted(incoming.items())
            if number > shown or (stream, number) in self.behind
        )
        outgoing = self.outgoing.get(stream, {})
        assert loaded.last_sent == max([*outgoing, self.used.get(stream, 0)], default=0)
        state = {number: self.state[(stream, number)] for number in sorted(outgoing)}
        assert loaded.outgoing == tuple(
            StoredOutgoing(
                number,
                outgoing[number].at_ms,
                outgoing[number].text,
                how,
                self.trace.get((stream, number)),
                self.ids[(True, stream, number)],
            )
            for number, how in state.items()
            if how not in FINAL
        )
        unsynced = [
            number
            for number, how in state.items()
            if how is MessageState.DELIVERED and number >= self.on_disk.get(stream, 0)
        ]
        is_direct = parties_of(stream, is_ours=True).room is None
        assert loaded.unsynced_from == (min(unsynced, default=None) if is_direct else None)
        waiting = [number for number, how in state.items() if how not in FINAL]
        waiting = sorted(waiting + unsynced) if is_direct else waiting
        alive = [number for number, how in state.items() if how not in DEAD]
        gap = {number for start, end in loaded.gaps for number in range(start, end)}
        between = range(waiting[0], loaded.last_sent + 1) if waiting else range(0)
        assert gap == set(between) - set(alive)


streams = st.sampled_from(STREAMS)
numbers = st.integers(1, 12)
groups = st.sampled_from((CHANNEL, "#lab"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
rows = st.builds(
    lambda who, version: PEOPLE[who].row(version), st.integers(0, 1), st.integers(1, 9)
)
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(OutgoingAdded, streams, numbers, numbers, texts),
    st.builds(
        OutgoingChanged,
        streams,
        numbers,
        st.sampled_from(MessageState),
        st.none() | numbers | st.binary(max_size=2),
    ),
    st.builds(OutgoingDelivered, streams, numbers, st.integers(1, 4), numbers),
    st.builds(IncomingAdded, streams, numbers, numbers, texts, st.booleans(), st.booleans()),
    st.builds(Overtaken, streams, numbers),
    st.builds(ShownBehind, streams, numbers),
    st.sampled_from(PEOPLE).map(lambda who: NameBlocked(who.name, who.row(9))),
    st.sampled_from(PEOPLE).map(lambda who: NameCleared(who.name)),
    st.sampled_from(PEOPLE).map(lambda who: NameCleared("carol", who.id)),
    st.builds(IgnoreChanged, st.sampled_from([BOB.id, CAROL.id]), st.booleans()),
    st.builds(
        MuteChanged, st.just(BOB.id), st.just(False), st.sampled_from([None, 0, 1_800_000_000])
    ),
    st.builds(
        MuteChanged, st.just(b"##lab\0"), st.just(True), st.sampled_from([None, 0, 1_800_000_000])
    ),
    st.builds(FormerName, st.sampled_from([BOB.id, CAROL.id]), st.sampled_from(["rob", "karo"])),
    st.builds(Shown, streams, numbers),
    st.builds(
        FloorRaised, streams, numbers, st.just(()) | st.tuples(st.tuples(st.just(2), numbers))
    ),
    st.builds(CursorMoved, numbers, groups),
    st.builds(LineAccepted, numbers, groups),
    st.builds(NumberUsed, streams, numbers),
    st.builds(OutgoingOnDisk, streams, numbers),
    st.builds(
        RoomKept,
        st.sampled_from(["#lab", "#den"]),
        st.none() | st.just(((BOB.id, 2),)),
        st.booleans(),
    ),
    st.builds(RegistryPinned, st.sampled_from([BOB.id, CAROL.id])),
    st.builds(RowsSaved, st.lists(rows, max_size=2).map(tuple), numbers, st.floats(0, 9)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(records, max_size=8), max_size=5))
def test_what_was_applied_comes_back(tmp_path: Path, batches: list[list[Record]]) -> None:
    path = tmp_path / "history.db"
    path.unlink(missing_ok=True)
    model, given_out = Model(), set()
    for batch in batches:
        kept = []
        for record in batch:
            if isinstance(record, OutgoingAdded):
                if (record.stream, record.number) in given_out:
                    continue  # a number is given once
                given_out.add((record.stream, record.number))
            kept.append(record)
            model.apply(record)
        history = History(path, server="here")
        history.apply(kept)
        history.close()
    history = History(path, server="here")
    model.check(history.load())
    history.close()


# --- examples


@pytest.fixture
def history() -> History:
    return in_memory()


def test_a_new_one_is_empty(history: History) -> None:
    assert history.load() == Loaded()


def test_all_or_nothing(history: History) -> None:
    before: Sequence[Record] = [
        OutgoingAdded(BOB.id, 1, 0, "one"),
        IncomingAdded(BOB.id, 5, 0, "hi", False),
    ]
    history.apply(before)
    held = history.load()
    with pytest.raises(sqlite3.IntegrityError):
        history.apply(
            [Shown(BOB.id, 5), CursorMoved(9), OutgoingAdded(BOB.id, 1, 0, "a number given twice")]
        )
    assert history.load() == held
    history.apply([Shown(BOB.id, 5)])  # and it goes on
    assert history.load().streams[BOB.id].shown == 5


def test_what_another_connection_has_locked_is_an_error_and_then_works(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db", server="here")
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    history._db.execute("PRAGMA busy_timeout = 1")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        history.apply([CursorMoved(9)])
    other.execute("ROLLBACK")
    history.apply([CursorMoved(9)])
    assert history.load().groups[CHANNEL].cursor == 9
    other.close()
    history.close()


def test_the_largest_number_is_kept(history: History) -> None:
    history.apply(
        [IncomingAdded(BOB.id, LAST_NUMBER, LAST_NUMBER, "hi", True), Shown(BOB.id, LAST_NUMBER)]
    )
    assert history.load().streams[BOB.id].seen == (LAST_NUMBER,)


@pytest.mark.parametrize("id_", [1 << 62, 1 << 63])
def test_what_is_still_to_come_is_not_read(history: History, id_: int) -> None:
    history.apply([IncomingAdded(BOB.id, 1, 0, "one", False, id=1), ReadUpTo(BOB.id, False, id_)])
    history.apply([IncomingAdded(BOB.id, 2, 0, "two", False, id=2)])
    history.lines.index.catch_up()
    (row,) = history.lines.conversations.all(history.registries.current)
    assert (row.read, row.newest, history.lines.conversations.unread(row)) == (1, 2, 1)


def test_a_text_may_hold_anything(history: History) -> None:
    history.apply([IncomingAdded(BOB.id, 5, 0, "a\0b\U0001f600'; --", False)])
    assert history.load().streams[BOB.id].unshown[0].text == "a\0b\U0001f600'; --"


def test_each_registry_has_its_own_table_and_people_their_one_stream(tmp_path: Path) -> None:
    here = History(tmp_path / "history.db", server="here")
    here.apply(
        [
            RowsSaved((BOB.row(3),), 3, 1.0),
            RegistryPinned(CAROL.id),
            CursorMoved(7),
            OutgoingAdded(BOB.id, 1, 0, "hi"),
        ]
    )
    here.close()
    there = History(tmp_path / "history.db", server="there")
    loaded = there.load()
    there.close()
    assert (loaded.rows, loaded.version, loaded.registry, loaded.groups) == ((), 0, None, {})
    assert len(loaded.streams[BOB.id].outgoing) == 1


def test_a_broken_row_is_left_out_and_the_table_requested_again(history: History) -> None:
    history.apply([RowsSaved((BOB.row(3), CAROL.row(4)), 4, 1.0)])
    history._db.execute("UPDATE people SET row = x'c1' WHERE identity = ?", (BOB.id,))
    loaded = history.load()
    assert (loaded.rows, loaded.version) == ((CAROL.row(4),), 0)


def test_voids_are_what_was_never_given_or_never_arrives(history: History) -> None:
    """Clause 6.3: what arrived is none, though it is settled."""
    history.apply([OutgoingAdded(BOB.id, number, 0, "") for number in (1, 2, 3, 4, 5, 900, 901)])
    history.apply(
        [
            OutgoingChanged(BOB.id, 1, MessageState.DELIVERED),
            OutgoingChanged(BOB.id, 2, MessageState.SAVED),
            OutgoingChanged(BOB.id, 3, MessageState.REFUSED),
            OutgoingChanged(BOB.id, 4, MessageState.DELIVERED),
            OutgoingChanged(BOB.id, 5, MessageState.EXPIRED),
        ]
    )
    assert history.load().streams[BOB.id].gaps == ((3, 4), (5, 900))
    history.apply(
        [NumberUsed(BOB.id, 990)]
    )  # a line of a room, which nobody tells again under this number
    assert history.load().streams[BOB.id].gaps == ((3, 4), (5, 900), (902, 991))


def test_a_message_that_goes_to_another_key_is_one_line_still(history: History) -> None:
    history.apply([OutgoingAdded(BOB.id, 7, 5, "hi"), OutgoingMoved(BOB.id, 7, CAROL.id, 2)])
    history.apply([OutgoingChanged(CAROL.id, 2, MessageState.KEPT, b"")])
    loaded = history.load()
    assert loaded.streams[BOB.id].outgoing == ()
    assert loaded.streams[CAROL.id].outgoing == (
        StoredOutgoing(2, 5, "hi", MessageState.KEPT, b"", 1),
    )
    assert len(history.lines.latest(9)) == 1


def test_a_message_without_a_number_opens_no_gap(history: History) -> None:
    """Clause 6.10."""
    history.apply(
        [OutgoingAdded(BOB.id, 7, 5, "seven"), OutgoingChanged(BOB.id, 7, MessageState.KEPT)]
    )
    history.apply([OutgoingAdded(BOB.id, PROVISIONAL + at, 5, "") for at in (1, 2)])
    history.apply([OutgoingChanged(BOB.id, PROVISIONAL + 2, MessageState.REFUSED)])
    stream = history.load().streams[BOB.id]
    assert (stream.last_sent, stream.last_provisional, stream.gaps) == (7, PROVISIONAL + 2, ())
    assert [one.number for one in stream.outgoing] == [7, PROVISIONAL + 1]


def test_what_has_got_its_number_is_found_behind_all_that_is_settled(tmp_path: Path) -> None:
    """Settled and unsettled messages differ by their numbers, which were all higher at the end of
    the previous program."""
    file = tmp_path / "history.db"
    history = History(file, server="registry")
    history.apply(
        [OutgoingAdded(BOB.id, 7, 5, ""), OutgoingChanged(BOB.id, 7, MessageState.DELIVERED)]
    )
    history.apply([OutgoingAdded(BOB.id, PROVISIONAL, 5, "later")])
    history.maintenance.finish()
    history.apply([OutgoingMoved(BOB.id, PROVISIONAL, BOB.id, 9)])
    assert [one.number for one in history.load().streams[BOB.id].outgoing] == [9]
    history.close()


def test_the_row_of_a_key_that_gave_way_is_kept_for_as_long_as_letters_to_it_are(
    history: History,
) -> None:
    saved: list[Record] = [
        RowsSaved((BOB.row(1), CAROL.row(1)), 1, 1.0),
        OutgoingAdded(BOB.id, 5, 1_000, "hi"),
        OutgoingChanged(BOB.id, 5, MessageState.SAVED),
        NameCleared("bob", BOB.id),
        NameCleared("carol", CAROL.id),
    ]
    history.apply(saved)
    assert (history.load().rows, history.load().replaced) == ((), (BOB.row(1),))
    history.apply([RowsSaved((BOB.row(2),), 2, 2.0)])
    assert (history.load().rows, history.load().replaced) == ((BOB.row(2),), ())
    history.apply([NameCleared("bob", BOB.id), OutgoingChanged(BOB.id, 5, MessageState.EXPIRED)])
    assert history.load().replaced == ()


def test_the_authors_of_what_is_still_to_be_shown_are_named_as_far_as_that_is_known(
    history: History,
) -> None:
    dan = Someone("dan")
    unshown: list[Record] = [IncomingAdded(one.id, 5, 0, "hi", False) for one in (BOB, CAROL, dan)]
    history.apply([RowsSaved((BOB.row(1),), 1, 1.0), Named(CAROL.id, "Carol"), *unshown])
    assert history.load().unknown_authors == {CAROL.id: "Carol", dan.id: ""}
    history.apply([Shown(CAROL.id, 5)])
    assert history.load().unknown_authors == {dan.id: ""}


def test_what_was_rolled_back_leaves_no_stream_behind(history: History) -> None:
    """The id of a stream that was new in a failed transaction is invalid."""
    with pytest.raises(sqlite3.IntegrityError):
        history.apply([OutgoingAdded(BOB.id, 1, 0, "one"), OutgoingAdded(BOB.id, 1, 0, "again")])
    history.apply(
        [OutgoingAdded(CAROL.id, 1, 0, "to carol"), OutgoingAdded(BOB.id, 1, 0, "to bob")]
    )
    assert [(line.stream, line.text) for line in history.lines.latest(9)] == [
        (CAROL.id, "to carol"),
        (BOB.id, "to bob"),
    ]


def test_a_recipient_that_never_says_what_is_on_its_disk_makes_no_start_slow(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "UNSYNCED_MAX", 3)
    said: list[Record] = [OutgoingAdded(BOB.id, number, 0, "x") for number in range(1, 10)]
    history.apply([*said, OutgoingDelivered(BOB.id, 1, 9, 0)])
    assert history.load().streams[BOB.id].unsynced_from == 7
    history.apply([OutgoingOnDisk(BOB.id, 8)])
    assert history.load().streams[BOB.id].unsynced_from == 8
    assert [one.number for one in history.delivered(BOB.id, 8, 10)[0]] == [8, 9]
    monkeypatch.setattr(loading, "GIVEN_AGAIN_MAX", 1)
    found, is_all = history.delivered(BOB.id, 8, 10)
    assert [one.number for one in found] == [8]
    assert not is_all
    history.apply([OutgoingOnDisk(BOB.id, 10)])
    assert history.load().streams[BOB.id].unsynced_from is None
