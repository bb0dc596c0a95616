"""What a terminal shows of others' coming and going: one line for all of them, and only for people
whom the user knows.

These are the people whom the user has talked with and the people in their room. That the table has
changed is no line at all: the status line counts the people online.
"""

import enum
from collections.abc import Callable, Sequence

import msgspec

from chatapp.peer.api import events
from chatapp.peer.words.people import came_line, joined_line, left_line, left_room_line, lost_line
from chatapp.wire.names import name_key


class Move(enum.Enum):
    """How somebody comes or goes."""

    CAME = enum.auto()
    LEFT = enum.auto()
    LOST = enum.auto()
    JOINED = enum.auto()
    LEFT_ROOM = enum.auto()


class _Moves(msgspec.Struct):
    """The people who came and who went since the last other line."""

    room: str = ""
    people: dict[Move, dict[str, None]] = {}

    def add(self, move: Move, name: str, room: str = "") -> None:
        """Note a person. Whoever came or went altogether is not also named as coming to the room or
        leaving it, and whoever went and is back, or came and is gone, is named once, by the
        last."""
        self.room = room or self.room
        if move in (Move.CAME, Move.LEFT_ROOM) and any(
            name in self.people.get(other, ()) for other in (Move.JOINED, Move.LEFT, Move.LOST)
        ):
            return
        for names in self.people.values():
            names.pop(name, None)
        self.people.setdefault(move, {})[name] = None

    def line(self) -> list[str]:
        """Return one line about all of them; none for nobody."""
        several = {move: list(names) for move, names in self.people.items() if names}
        worded = [_worded(move, names, self.room) for move, names in several.items()]
        return [" ".join(worded)] if worded else []


def _worded(move: Move, names: list[str], room: str) -> str:
    match move:
        case Move.CAME:
            return came_line(names)
        case Move.LEFT:
            return left_line(names)
        case Move.LOST:
            return lost_line(names)
        case Move.JOINED:
            return joined_line(names, room)
        case Move.LEFT_ROOM:
            return left_room_line(names, room)


class Folding:
    """The people whom the user has talked with."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def talked_with(self, name: str) -> None:
        """Note that the user and somebody talked."""
        self._known.add(name_key(name))

    def lines(
        self,
        batch: Sequence[events.Event],
        lines_of: Callable[[events.Event], list[str]],
    ) -> list[str]:
        """Return the lines for a batch of events."""
        lines: list[str] = []
        moves = _Moves(people={})
        near = {
            name_key(event.name)
            for event in batch
            if isinstance(event, events.MemberLeft | events.MemberJoined)
        }
        for event in batch:
            match event:
                case events.TableChanged():
                    pass
                case events.PersonCame(name=name, is_quiet=is_quiet):
                    if not is_quiet and name_key(name) in self._known:
                        moves.add(Move.CAME, name)
                case events.PersonAway(
                    name=name, how=events.Absence.LEFT | events.Absence.LOST, is_quiet=is_quiet
                ):
                    if not is_quiet and self._is_near(name, near):
                        is_left = event.how is events.Absence.LEFT
                        moves.add(Move.LEFT if is_left else Move.LOST, name)
                case events.MemberJoined(name=name, room=room):
                    moves.add(Move.JOINED, name, room)
                case events.MemberLeft(name=name, room=room):
                    moves.add(Move.LEFT_ROOM, name, room)
                case events.Renamed(old=old, is_me=False) if not self._is_near(old, near):
                    pass
                case _:
                    self._note(event)
                    if found := lines_of(event):
                        lines += [*moves.line(), *found]
                        moves = _Moves(people={})
        return [*lines, *moves.line()]

    def _is_near(self, name: str, near: set[str]) -> bool:
        return name_key(name) in self._known or name_key(name) in near

    def _note(self, event: events.Event) -> None:
        """Learn from an event whom the user talks with."""
        match event:
            case events.Said(conversation=what, sender=name) if what.is_person:
                self.talked_with(name)
            case events.SaidByUs(line=line) if line.conversation.is_person:
                self.talked_with(line.conversation.name)
            case events.Unacknowledged(conversation=what):
                self.talked_with(what.name)
            case events.MailReturned(lines=lines):
                for line in lines:
                    self._note(line)
            case events.MessageChanged(conversation=what) if what.is_person:
                self.talked_with(what.name)
            case events.Renamed(new=name, is_me=False):
                self.talked_with(name)
            case _:
                pass
