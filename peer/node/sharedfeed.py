"""The events of a peer that one program after another may run, as one window gets them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from chatapp.peer.api import events
from chatapp.peer.api.events import Event, MessageState
from chatapp.peer.api.requests import Sent
from chatapp.peer.api.state import State
from chatapp.peer.node.feed import EventFeed
from chatapp.peer.node.receipts import Receipt, Receipts, changed, sent_of
from chatapp.wire.limits import EVENTS_WAITING_MAX

TOLD_MAX: Final = 10_000 + EVENTS_WAITING_MAX
"""Lines that are known to have been told: as many as may be given a second time, and as many as may
wait for their reader."""

_FINAL: Final = (MessageState.DELIVERED, MessageState.REFUSED, MessageState.EXPIRED)

OPEN_MAX: Final = 1_000
"""Lines of ours without a final outcome that are followed."""


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
        _keep(self._keys, [key], TOLD_MAX)

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
            case events.Line(id=id_, visit=visit):
                return event if visit or self._is_new(id_) else None
            case events.MailReturned(lines=lines):
                left = tuple(line for line in lines if self._is_new(line.id))
                return replace(event, lines=left) if left else None
            case events.SaidByUs(line=line, key=key):
                is_new = line.visit > 0 or self._is_new(line.id)
                if is_new and isinstance(line, events.Said) and not line.visit:
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
                return event

    def _is_new(self, line: int) -> bool:
        if line in self._told:
            return False
        _keep(self._told, [line], TOLD_MAX)
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


def _keep(kept: dict[int, None], more: Iterable[int], most: int) -> None:
    """Add ids, and forget the oldest ones."""
    kept.update(dict.fromkeys(more))
    while len(kept) > most:
        del kept[next(iter(kept))]
