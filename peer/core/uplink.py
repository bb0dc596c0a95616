"""This file is about the link to the registry once we are let in: its frames, what its loss means, what goes out on it.

It must not know what a notice means (`peer.core.notices`), nor how datagrams to other peers are made.
"""

from collections.abc import Sequence

from peer.core.lookout import Lookout
from peer.core.notices import Notices
from peer.core.parts import Parts
from peer.core.renaming import Renaming
from peer.core.rooms import Rooms
from wire.codec import decode_notice
from wire.errors import WireError
from wire.header import unpack_relayed
from wire.messages.group import CHANNEL
from wire.messages.presence import Ping


class Uplink:
    """Our end."""

    def __init__(
        self, parts: Parts, rooms: Rooms, renaming: Renaming, *, lookout: Lookout, notices: Notices
    ) -> None:
        self._rooms = rooms
        self._renaming = renaming
        self._lookout = lookout
        self._notices = notices
        self._session = parts.session
        self._link = parts.link
        self._table = parts.table
        self._groups = parts.groups
        self._hearing = parts.hearing
        self._home = parts.home
        self._duty = parts.duty
        self._out = parts.out
        self._hearing.is_table_fresh = lambda: self._table.is_fresh

    # --- the link

    def frames_came(self, frames: Sequence[bytes], *, now: float, wall: float) -> int:
        """Frames of the link, in order; returns how many were dropped. Raises SealError: close the link."""
        dropped = 0
        for data in frames:
            was_up = self._link.is_up
            payload = self._link.opened(data, now=now)
            if not was_up and self._link.is_up:
                self._link_up(now)
            try:
                if payload is None:
                    self._line_came(data, now)
                elif payload:
                    self._notices.heed(decode_notice(payload), now=now, wall=wall)
            except WireError:
                dropped += 1
        return dropped

    def link_closed(self, *, now: float) -> None:
        """The connection is over: find out at once whether the registry is, too."""
        self.drop_link()
        self._session.note_silence(now=now)
        self._lookout.look(now=now)

    def drop_link(self) -> None:
        """Nothing asked for on the link will be answered, and what it granted is void."""
        self._link.drop()
        self._duty.link_lost()
        self._table.link_lost()
        self._hearing.link_lost()
        self._groups.revoke()
        self._rooms.link_lost()
        self._renaming.link_lost()
        self._notices.link_lost()
        self._home.give_up()
        self._home.release()

    def flush(self, *, now: float) -> None:
        """Put all requests of this turn on the link; without one they are void, and asked again when it is back."""
        requests, self._out.requests = self._out.requests, []
        if self._link.is_up:
            for request in requests:
                self._link.send(request, now=now)

    # --- time

    def handle_timer(self, *, now: float) -> bool:
        """True when the shell is to close a connection that came to nothing."""
        if self._link.is_keepalive_due(now):
            self._link.send(Ping(reference=0), now=now)
            self._session.ping(now=now)  # by UDP: is it the link or the registry that says nothing?
        self._rooms.handle_timer(now=now)
        self._renaming.handle_timer(now=now)
        self._lookout.look(now=now)
        return self._link.handle_timer(now=now)

    def next_timer(self) -> float | None:
        """The earliest deadline."""
        dues = (
            self._lookout.next_timer(),
            self._link.next_timer(),
            self._rooms.next_timer(),
            self._renaming.next_timer(),
        )
        return min((due for due in dues if due is not None), default=None)

    # --- inside

    def _link_up(self, now: float) -> None:
        self._home.begin()
        self._home.await_group(CHANNEL)
        self._duty.link_up()
        self._table.fetch_anew(now=now)
        self._rooms.link_up(now=now)

    def _line_came(self, data: bytes, now: float) -> None:
        position, frame = unpack_relayed(data)
        if not self._hearing.line_relayed(position, frame, now=now):
            self._table.fetch(now=now)
