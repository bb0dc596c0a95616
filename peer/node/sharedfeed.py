"""The events of a peer that one program after another may run, as one window gets them."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.events import ClientMove, Edited, Event, MessageState, Retracted, Target
from chatapp.peer.api.requests import Sent
from chatapp.peer.api.state import State
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.receipts import Receipt, Receipts, changed, sent_of
from chatapp.wire.limits import DESK_LINES_MAX, EVENTS_WAITING_MAX

Kept = TypeVar("Kept")
_Change = Edited | Retracted

TOLD_MAX: Final = 10_000 + EVENTS_WAITING_MAX
"""Lines that are known to have been told: as many as may be given a second time, and as many as may
wait for their reader."""

_FINAL: Final = (MessageState.DELIVERED, MessageState.REFUSED, MessageState.EXPIRED)

OPEN_MAX: Final = 1_000
"""Lines of ours without a final outcome that are followed."""

_STILL_SERVED: Final = (ClientMove.AWAY, ClientMove.BACK, ClientMove.SILENT)


class _ToldVisit:
    """What was told of the visitor whom we serve. The registry tells the next program all of it
    again, and knows our own lines by their texts alone."""

    def __init__(self) -> None:
        self._visit = 0
        """The number of the visit; 0 for none."""
        self._is_here = True
        """Whether the visitor is here, as was told last."""
        self._position = 0
        """The place in the visit of the newest line that was told."""
        self._ours: dict[int, str] = {}
        """The texts of our newest lines, by their ids."""
        self._repeats: Counter[str] = Counter()
        """The texts that the registry may tell again as ours."""
        self._again: set[int] = set()
        """The ids of lines of ours that the present program has told again."""
        self._ids: dict[int, int] = {}
        """The ids of the lines that were told, by their places."""
        self._names: dict[int, int] = {}
        """The ids under which lines were told first, by those that a later program gives them."""

    def note_ours(self, id_: int, text: str) -> None:
        """Note a line of ours."""
        _keep(self._ours, {id_: text}, DESK_LINES_MAX)

    def note_change(self, id_: int, text: str) -> None:
        """Note that a line of ours has another text."""
        if id_ in self._ours:
            self._ours[id_] = text

    def present_id(self, told: int) -> int:
        """Return the id that the present program gives to a line that was told under this one."""
        return next((id_ for id_, first in reversed(self._names.items()) if first == told), told)

    def begin_anew(self) -> None:
        """Expect the start of another program."""
        self._repeats = Counter(self._ours.values())
        self._again.clear()

    def new(self, event: Event) -> Event | None:
        """Return what is new of an event of the desk."""
        match event:
            case events.ClientCame():
                return self._new_client(event)
            case events.SaidByUs(line=Edited() | Retracted() as change):
                self.note_change(self._first_id(change.target.number), change.text)
                return replace(event, line=self._as_told(change))
            case Edited() | Retracted():
                return self._as_told(event) if self._is_new(event) else None
            case events.Line() | events.SaidByUs():
                line = event.line if isinstance(event, events.SaidByUs) else event
                return event if self._is_new(line) else None
            case events.ClientMoved(move=move) if move in _STILL_SERVED:
                self._is_here = move is not ClientMove.AWAY
            case events.ClientMoved():
                self._end()
            case events.CommandFailed(line=id_) | events.HeldBack(line=id_):
                self._ours.pop(id_, None)
            case _:
                pass
        return event

    def _new_client(self, came: events.ClientCame) -> Event | None:
        was_here, self._is_here = self._is_here, came.is_here
        if came.is_back and came.visit == self._visit:
            move = ClientMove.BACK if came.is_here else ClientMove.AWAY
            is_same = came.is_here is was_here
            return None if is_same else events.ClientMoved(name=came.name, move=move)
        if self._visit or not came.is_back:
            self._end()
        self._visit = came.visit
        return came

    def _first_id(self, id_: int) -> int:
        return self._names.get(id_, id_)

    def _as_told(self, change: _Change) -> _Change:
        """Return a change with the id under which its line was told."""
        return replace(change, target=Target(b"", self._first_id(change.target.number)))

    def _end(self) -> None:
        self._visit = self._position = 0
        self._ids.clear()
        self._names.clear()
        self._ours.clear()
        self._repeats.clear()

    def _is_new(self, line: events.LineEvent) -> bool:
        self._visit = self._visit or line.visit  # we may have come in the middle of it
        if line.visit != self._visit:
            return True
        is_before = 0 < line.number <= self._position
        if line.number and (first := self._ids.setdefault(line.number, line.id)) != line.id:
            self._names[line.id] = first
        self._position = max(self._position, line.number)
        if not (isinstance(line, events.Said) and line.is_ours):
            return not is_before
        if line.id in self._ours:
            return False
        if line.number and self._repeats[line.text]:
            self._repeats[line.text] -= 1
            first = self._said_first(line.text, otherwise=line.id)
            self._names[line.id] = self._ids[line.number] = first
            return False
        self.note_ours(line.id, line.text)
        return not is_before

    def _said_first(self, text: str, *, otherwise: int) -> int:
        """Return the id of the first line of ours with this text that is not told again yet."""
        left = (id_ for id_, said in self._ours.items() if said == text and id_ not in self._again)
        first = next(left, otherwise)
        self._again.add(first)
        return first


class SharedFeed(EventFeed[Event]):
    """Gives each line once, whichever program tells it, and knows which lines of ours are open."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, has_room: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(loop, has_room=has_room)
        self.receipts: Final = Receipts()
        """Of lines that another program has taken."""
        self.newest = 0
        """The highest id of a line that is known to be there."""
        self._told: dict[int, None] = {}
        """The last lines that were told, by their ids."""
        self._open: dict[int, MessageState] = {}
        """Our own lines without a final outcome, by their ids, as they were told last."""
        self._keys: dict[int, None] = {}
        """The keys of the last lines that this window has asked for."""
        self._visit: Final = _ToldVisit()
        self.repeated: Callable[[events.LineEvent], object] = lambda _: None
        """Called with a line of a visit that was told before: the registry waits to hear that it
        is shown."""
        self._was_away: bool | None = None
        """Whether the registry was away when the last program ended; None: no other one has begun,
        or it has told how it stands."""
        self._rooms: set[str] = set()
        """The rooms where the user was then, and of which nothing was told since."""

    # --- for whoever feeds it

    def put(self, events: Sequence[Event]) -> None:
        """Give what is new to the reader and to all subscribers."""
        new = [one for event in events if (one := self._new(event)) is not None]
        if new:
            self.receipts.note_all(new)
            super().put(new)

    def note_key(self, key: int) -> None:
        """Note that this window asks for a line by this key: it shows the line by itself."""
        _keep(self._keys, {key: None}, TOLD_MAX)

    def note_at_desk(self, line: int, text: str) -> None:
        """Note that this window asks for a line to the visitor, which it shows by itself."""
        self.note_key(line)
        self._visit.note_ours(line, text)

    def note_change(self, id_: int, text: str) -> None:
        """Note that this window gives a line to the visitor another text."""
        self._visit.note_change(id_, text)

    def present_id(self, told: int) -> int:
        """Return the id that the present program gives to a line of a visit that this window knows
        by this one."""
        return self._visit.present_id(told)

    def receipt(self, sent: Sent) -> Receipt:
        """Return the receipt of a line that another program has taken for this window."""
        if not sent.id:
            receipt = Receipt(sent.conversation, sent.id)
            receipt.settle(sent.state, sent.reason, through_server=sent.through_server)
            return receipt
        self.note_ours(sent)
        receipt = self.receipts.open(sent.conversation, sent.id)
        if sent.state is not MessageState.UNSETTLED:
            self.receipts.note(changed(sent))
        return receipt

    def note_ours(self, sent: Sent) -> None:
        """Note a line of ours that this window shows by itself, and how far it is."""
        self._is_new(sent.id)
        self._follow(sent)

    def open_lines(self) -> list[tuple[int, MessageState]]:
        """Return our own lines without a final outcome, as they were told last."""
        return list(self._open.items())

    def begin_anew(self, former: State) -> None:
        """Expect the start of another program, of which the user need not learn. `former`: how the
        last one stood."""
        self._was_away = former.is_server_away
        self._rooms = {room.name for room in former.rooms}
        self._visit.begin_anew()

    def settle(self, *, is_away: bool) -> None:
        """Take note whether the registry is away, as the next program says."""
        was_away = self._was_away
        if was_away is None:
            return
        self._was_away = True if is_away else None
        if was_away is not is_away:
            self.put([events.ServerLost() if is_away else events.ServerBack()])

    # --- inside

    def _new(self, event: Event) -> Event | None:
        """Return what is new of an event."""
        match event:
            case events.Line(id=id_, visit=0):
                return event if self._is_new(id_) else None
            case events.MailReturned(lines=lines):
                left = tuple(line for line in lines if self._is_new(line.id))
                return replace(event, lines=left) if left else None
            case events.SaidByUs(line=line, key=key):
                if line.visit:
                    is_new = self._visit.new(event) is not None
                elif (is_new := self._is_new(line.id)) and isinstance(line, events.Said):
                    self._follow(sent_of(line))
                return event if is_new and key not in self._keys else None
            case events.MessageChanged(id=id_):
                if id_ in self._open:
                    self._follow(event)
                return event
            case events.EnteredRoom(room=room) | events.LeftRoom(room=room) if room in self._rooms:
                self._rooms.remove(room)
                return None if isinstance(event, events.EnteredRoom) else event
            case events.Registered() if (was_away := self._was_away) is not None:
                self._was_away = None
                return events.ServerBack() if was_away else None
            case events.NoServerAtStart() if (was_away := self._was_away) is not None:
                self._was_away = True  # it registers when the registry is back
                return None if was_away else events.ServerLost()
            case _:
                new = self._visit.new(event)
                if new is None and isinstance(event, events.LineEvent):
                    self.repeated(event)
                return new

    def _is_new(self, line: int) -> bool:
        if line in self._told:
            return False
        _keep(self._told, {line: None}, TOLD_MAX)
        self.newest = max(self.newest, line)
        return True

    def _follow(self, line: Sent | events.MessageChanged) -> None:
        is_saved = line.state is MessageState.SAVED
        if line.state in _FINAL or (is_saved and not line.conversation.is_person):
            self._open.pop(line.id, None)
            return
        self._open[line.id] = line.state
        while len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]


def _keep(kept: dict[int, Kept], more: Mapping[int, Kept], most: int) -> None:
    """Add what has these ids, and forget the oldest."""
    kept.update(more)
    while len(kept) > most:
        del kept[next(iter(kept))]
