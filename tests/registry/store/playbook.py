"""Entries for store tests in few words, and a plain model of a store.

The model follows the contract (protocol.py) and has nothing in common with a real store.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from chatapp.registry.store.entries import (
    DeskLineKept,
    DeskOpeningKept,
    DeskPastDropped,
    DeskSessionKept,
    DeskTranscriptKept,
    DeskVisitKept,
    DeskVisitOver,
    DeskVisitRated,
    Entry,
    GroupCut,
    GroupGone,
    GroupKeyMade,
    GroupLineKept,
    GroupLinesDropped,
    MailStored,
    MailTaken,
    NameBound,
    NameFreed,
    NameReserved,
    PastLineKept,
    RoomMemberGone,
    RoomMemberKept,
    RoomTopicKept,
    SenderIndicesReserved,
)
from chatapp.registry.store.files import FileStore
from chatapp.registry.store.protocol import Loaded, Store
from chatapp.wire.storage import Disk

ALICE, BOB, CAROL = (bytes([letter]) * 32 for letter in b"ABC")
MAIL = f"mail/{BOB.hex()}.mail"
"""The file of his mailbox."""

View: TypeAlias = dict[str, Any]


def files(folder: Path) -> list[str]:
    """Return all files of a folder, by their relative paths."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def stored(serial: int, recipient: bytes = BOB, *, size: int = 20) -> MailStored:
    letter = bytes([serial % 256]) * size
    return MailStored(recipient, serial, ALICE, "alice", 1000 + serial, 50 + serial, letter)


def taken(*serials: int, recipient: bytes = BOB) -> MailTaken:
    return MailTaken(recipient, list(serials))


def bound(name: str, identity: bytes = ALICE, card: bytes = b"card") -> NameBound:
    return NameBound(name, identity, card, 7, 9)


def key(epoch: int, group: str = "tea") -> GroupKeyMade:
    return GroupKeyMade(group, epoch, bytes([epoch % 256]) * 32)


def line(position: int, group: str = "tea", *, epoch: int = 1, size: int = 15) -> GroupLineKept:
    return GroupLineKept(
        group, position, ALICE, epoch, 70 + position, bytes([position % 256]) * size
    )


def visiting(
    visit: int, *, queue: str = "desk", operator: bytes = b"", note: str = ""
) -> DeskVisitKept:
    ticket = bytes([visit % 256]) * 16
    return DeskVisitKept(
        visit,
        queue,
        ticket,
        "10.0.0.1",
        "Asha",
        "+91",
        "Other",
        5,
        visit,
        operator,
        b"",
        0,
        0,
        0,
        note,
    )


def said(position: int, visit: int = 1, *, first: int = 1, size: int = 15) -> DeskLineKept:
    return DeskLineKept(visit, position, ALICE, "alice", 9, 70 + position, "x" * size, first)


def over(visit: int, *, called_at: int = 0) -> DeskVisitOver:
    return DeskVisitOver(visit, "desk", 5, called_at, 9, 3, 1)


def rated(visit: int, rating: int = 5) -> DeskVisitRated:
    return DeskVisitRated(visit, "desk", 7, rating)


def closed(queue: str = "desk", *, text: str = "lunch") -> DeskOpeningKept:
    return DeskOpeningKept(queue, False, text, 0)


def kept(visit: int, *, note: str = "") -> DeskSessionKept:
    return DeskSessionKept(
        visit, "desk", "Asha", "+91", "Other", note, "bob", 5, 6, 9, 3, 0, "the book"
    )


def transcript(visit: int, *texts: str) -> DeskTranscriptKept:
    return DeskTranscriptKept(
        visit, [PastLineKept(place, "", 70, text, 1) for place, text in enumerate(texts, 1)], 0
    )


def forgotten(sessions: list[int], transcripts: list[int]) -> DeskPastDropped:
    return DeskPastDropped(sessions, transcripts)


def cut(position: int, group: str = "tea") -> GroupCut:
    return GroupCut(group, position)


def dropped(
    *positions: int, group: str = "tea", last_uses: dict[int, int] | None = None
) -> GroupLinesDropped:
    return GroupLinesDropped(group, list(positions), list((last_uses or {}).items()))


def gone(group: str = "tea") -> GroupGone:
    return GroupGone(group)


def topic(text: str, group: str = "tea") -> RoomTopicKept:
    return RoomTopicKept(group, text, ALICE, 80)


def member(
    identity: bytes, group: str = "tea", *, seen: int = 5, is_here: bool = True
) -> RoomMemberKept:
    return RoomMemberKept(identity, group, 3, seen, is_here, 90)


@dataclass
class Model:
    """What a store holds, as plain values."""

    names: dict[str, NameBound | NameReserved] = field(default_factory=dict)
    members: dict[tuple[bytes, str], RoomMemberKept] = field(default_factory=dict)
    mail: dict[bytes, dict[int, MailStored]] = field(default_factory=dict)
    keys: dict[str, dict[int, bytes]] = field(default_factory=dict)
    lines: dict[str, list[GroupLineKept]] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    topics: dict[str, RoomTopicKept] = field(default_factory=dict)
    tops: dict[str, int] = field(default_factory=dict)
    last_use: dict[tuple[str, int], int] = field(default_factory=dict)
    highest_serial: int = 0
    sender_indices: int = 0
    visits: dict[int, DeskVisitKept] = field(default_factory=dict)
    said: dict[int, list[DeskLineKept]] = field(default_factory=dict)
    served: list[DeskVisitOver] = field(default_factory=list)
    sessions: dict[int, DeskSessionKept] = field(default_factory=dict)
    transcripts: dict[int, DeskTranscriptKept] = field(default_factory=dict)
    highest_visit: int = 0
    openings: dict[str, DeskOpeningKept] = field(default_factory=dict)
    ratings: dict[int, DeskVisitRated] = field(default_factory=dict)

    def say(self, entries: Iterable[Entry]) -> "Model":
        for entry in entries:
            self._say(entry)
        return self

    def _say(self, entry: Entry) -> None:  # noqa: C901
        match entry:
            case NameBound() | NameReserved():
                self.names.pop(entry.name_key, None)
                self.names[entry.name_key] = entry
            case NameFreed():
                self.names.pop(entry.name_key, None)
            case RoomMemberKept():
                self.members[entry.identity, entry.group] = entry
            case RoomMemberGone(identity, group):
                for key in list(self.members):
                    if key[0] == identity and group in (None, key[1]):
                        del self.members[key]
            case MailStored():
                self.mail.setdefault(entry.recipient, {})[entry.serial] = entry
                self.highest_serial = max(self.highest_serial, entry.serial)
            case MailTaken():
                for serial in entry.serials:
                    self.mail.get(entry.recipient, {}).pop(serial, None)
            case GroupKeyMade():
                self.keys.setdefault(entry.group, {})[entry.epoch] = entry.key
                self._drop_keys(entry.group)
            case GroupLineKept():
                self.lines.setdefault(entry.group, []).append(entry)
                self.tops[entry.group] = entry.position
                self.last_use[entry.group, entry.epoch] = entry.position
            case GroupCut():
                self._cut(entry.group, entry.position)
            case GroupLinesDropped():
                self._drop_lines(entry)
            case RoomTopicKept():
                self.topics[entry.group] = entry
            case GroupGone():
                for table in (self.keys, self.lines, self.cuts, self.tops, self.topics):
                    table.pop(entry.group, None)
                self.last_use = {
                    use: at for use, at in self.last_use.items() if use[0] != entry.group
                }
            case SenderIndicesReserved():
                self.sender_indices = max(self.sender_indices, entry.upto)
            case DeskVisitKept():
                self.visits[entry.visit] = entry
                self.highest_visit = max(self.highest_visit, entry.visit)
            case DeskLineKept():
                lines = [*self.said.get(entry.visit, []), entry]
                by_position = {line.position: line for line in lines}
                self.said[entry.visit] = [
                    line for at, line in sorted(by_position.items()) if at >= entry.first
                ]
            case DeskVisitOver():
                self.visits.pop(entry.visit, None)
                self.said.pop(entry.visit, None)
                self.served += [entry] * bool(entry.called_at)
                self.highest_visit = max(self.highest_visit, entry.visit)
            case DeskOpeningKept():
                self.openings[entry.queue] = entry
            case DeskVisitRated():
                self.ratings[entry.visit] = entry
            case DeskSessionKept():
                self.sessions[entry.visit] = entry
            case DeskTranscriptKept():
                self.transcripts[entry.visit] = entry
            case DeskPastDropped(sessions, transcripts):
                for visit in sessions:
                    self.sessions.pop(visit, None)
                for visit in transcripts:
                    self.transcripts.pop(visit, None)

    def _drop_lines(self, entry: GroupLinesDropped) -> None:
        group = entry.group
        if group not in self.lines:
            return
        self.lines[group] = [
            one for one in self.lines[group] if one.position not in entry.positions
        ]
        for epoch, last_use in entry.last_uses:
            self.last_use[group, epoch] = last_use
            if last_use < 0 and epoch not in sorted(self.keys.get(group, {}))[-3:]:
                self.keys.get(group, {}).pop(epoch, None)

    def _cut(self, group: str, position: int) -> None:
        if position <= self.cuts.get(group, -1):
            return
        self.lines[group] = [said for said in self.lines.get(group, []) if said.position > position]
        self.cuts[group] = position
        self.tops[group] = max(self.tops.get(group, -1), position)
        self._drop_keys(group)

    def _drop_keys(self, group: str) -> None:
        """The three newest keys stay, and the keys that a line needs."""
        keys = self.keys.get(group, {})
        for epoch in sorted(keys)[:-3]:
            if self.last_use.get((group, epoch), -1) <= self.cuts.get(group, -1):
                del keys[epoch]

    def view(self) -> View:
        groups = {*self.keys, *self.lines, *self.cuts, *self.topics}
        return {
            "names": list(self.names.values()),
            "members": self.members,
            "mail": {owner: list(box.values()) for owner, box in self.mail.items() if box},
            "keys": {name: self.keys.get(name, {}) for name in groups},
            "lines": {name: self.lines.get(name, []) for name in groups},
            "cuts": {name: self.cuts.get(name, -1) for name in groups},
            "tops": {name: self.tops.get(name, -1) for name in groups},
            "topics": {name: self.topics.get(name) for name in groups},
            "highest_serial": self.highest_serial,
            "sender_indices": self.sender_indices,
            "visits": [self.visits[number] for number in sorted(self.visits)],
            "said": self.said,
            "served": self.served,
            "sessions": list(self.sessions.values()),
            "transcripts": list(self.transcripts.values()),
            "highest_visit": self.highest_visit,
            "openings": self.openings,
            "ratings": self.ratings,
        }


def view(store: Store, loaded: Loaded) -> View:
    """Return the content of a store: what it loaded, with the letters and frames that it reads."""
    mail = {}
    for owner, heads in loaded.letters.items():
        letters = store.read_letters(owner, [head.serial for head in heads])
        assert [head.size for head in heads] == list(map(len, letters))
        mail[owner] = [
            MailStored(
                owner, head.serial, head.sender, head.sender_name, head.number, head.at, letter
            )
            for head, letter in zip(heads, letters, strict=True)
        ]
    lines = {}
    for name, group in loaded.groups.items():
        frames = store.read_lines(name, [head.position for head in group.lines])
        assert [head.size for head in group.lines] == list(map(len, frames))
        lines[name] = [
            GroupLineKept(name, head.position, head.sender, head.epoch, head.at, frame)
            for head, frame in zip(group.lines, frames, strict=True)
        ]
    return {
        "names": loaded.names,
        "members": {(one.identity, one.group): one for one in loaded.members},
        "mail": mail,
        "keys": {name: group.keys for name, group in loaded.groups.items()},
        "lines": lines,
        "cuts": {name: group.cut for name, group in loaded.groups.items()},
        "tops": {name: group.highest for name, group in loaded.groups.items()},
        "topics": {name: group.topic for name, group in loaded.groups.items()},
        "highest_serial": loaded.highest_serial,
        "sender_indices": loaded.sender_indices,
        "visits": loaded.desk.visits,
        "said": loaded.desk.lines,
        "served": loaded.desk.served,
        "sessions": loaded.desk.sessions,
        "transcripts": loaded.desk.transcripts,
        "highest_visit": loaded.desk.highest_visit,
        "openings": {one.queue: one for one in loaded.desk.openings},
        "ratings": {one.visit: one for one in loaded.desk.ratings},
    }


def opened(folder: Path, disk: Disk) -> tuple[FileStore, Loaded]:
    store = FileStore(folder, disk=disk, now=lambda: 0.0)
    return store, store.load()


@dataclass
class Script:
    """A script of steps for one store: entries to append, or the word "sync" or "checkpoint"."""

    steps: list[list[Entry] | str]
    appended: list[Entry] = field(default_factory=list)  # append returned
    begun: list[Entry] = field(default_factory=list)  # append was called
    synced: int = 0  # how many of `appended` were promised

    def play(self, store: Store) -> None:
        for step in self.steps:
            if isinstance(step, list):
                self.begun.extend(step)
                store.append(step)
                self.appended.extend(step)
            else:
                count = len(self.appended)
                store.sync() if step == "sync" else store.checkpoint()
                self.synced = count

    def outcomes(self, at_least: int, before: Sequence[Entry] = ()) -> list[View]:
        """Return all states that may be left after a crash: at least so many entries, each with all
        before it."""
        counts = range(at_least, len(self.begun) + 1)
        return [Model().say([*before, *self.begun[:count]]).view() for count in counts]


def full_script() -> Script:
    """Everything that a checkpoint can meet: files new, longer, written anew, emptied; groups cut,
    gone and begun anew; names changed, reserved and free again; members of rooms."""
    return Script(
        [
            [bound("alice"), bound("bob", BOB), key(1), stored(1), stored(2), line(1), line(2)],
            [visiting(1), visiting(2), visiting(3), said(1), said(2)],
            "sync",
            [stored(3, CAROL), taken(1), line(3), key(1, "#a"), line(1, "#a"), member(ALICE, "#a")],
            [visiting(1, operator=ALICE), over(3), said(3, first=2), closed(), rated(3, 2)],
            "checkpoint",
            [
                stored(4),
                key(2),
                line(4, epoch=2),
                stored(5, CAROL),
                taken(3, recipient=CAROL),
                gone("#a"),
            ],
            [key(2, "#a"), line(9, "#a", epoch=2), member(BOB, "#a"), NameReserved("bob", BOB, 8)],
            "sync",
            [
                said(4, first=2),
                said(1, 2),
                over(1, called_at=6),
                visiting(2, note="n"),
                visiting(4),
            ],
            [bound("alice", ALICE, b"newer"), stored(6, ALICE), taken(6, recipient=ALICE)],
            "checkpoint",
            [
                taken(2, 4),
                key(3),
                line(5, "a/b", epoch=9),
                line(6, epoch=3),
                cut(3),
                stored(7, ALICE),
            ],
            "checkpoint",
            [
                stored(8),
                taken(5, recipient=CAROL),
                key(4),
                cut(6),
                gone("#a"),
                RoomMemberGone(ALICE, "#a"),
            ],
            [
                member(BOB, "#b", is_here=False),
                NameFreed("bob"),
                gone("#never"),
                RoomMemberGone(CAROL),
            ],
            [
                over(2, called_at=7),
                over(4),
                visiting(5),
                said(1, 5),
                closed(text="again"),
                closed("exams"),
                rated(2),
                rated(3, 4),
            ],
            "sync",
            [stored(9, ALICE), line(7, epoch=4)],
        ]
    )


def remove(file: Path) -> None:
    """Harm a file: it is not there any more."""
    file.unlink()


def empty(file: Path) -> None:
    """Harm a file: nothing is in it any more."""
    file.write_bytes(b"")
