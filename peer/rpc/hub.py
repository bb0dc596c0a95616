"""A peer as many clients see it: its events with their numbers, its state, its people, and what
they ask of it.

Nothing here knows a socket. A request may take as long as the peer takes to answer it.
"""

import logging
import os
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from chatapp.peer.api import events
from chatapp.peer.api.codec import encode
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.rpc.methods import METHODS, Method, method
from chatapp.peer.rpc.protocol import LINES_TOGETHER, PEOPLE_TOGETHER, UNSHOWN_MAX, Code, RpcError
from chatapp.peer.rpc.refusals import refusal_of
from chatapp.peer.rpc.ring import EventRing, notice, together
from chatapp.peer.rpc.session import HELLO, Call, RpcSession
from chatapp.peer.rpc.shared import Greeting, PeerSnapshot, Subscribed, Unshown
from chatapp.peer.sdk.client import Peer
from chatapp.wire.errors import ChatAppError, quoted

_log = logging.getLogger("chatapp.peer")

_CHANGES_KEPT: Final = 20_000
"""Changes of people that are remembered. A client that is further behind is told everybody
again."""


def snapshot_of(peer: Peer) -> PeerSnapshot:
    """Return the present state. Raises NotOpen."""
    return PeerSnapshot(
        name=peer.name,
        state=peer.state,
        room=peer.room,
        is_offline=peer.is_offline,
        is_server_away=peer.is_server_away,
        is_sending=peer.is_sending,
        sending_try=peer.sending_try,
        in_reach=peer.in_reach,
        client=peer.desk.client,
        visit=peer.desk.visit,
        is_on_duty=peer.desk.is_on_duty,
        is_operator=peer.desk.is_operator,
        waiting=peer.desk.waiting,
        answers=dict(peer.desk.answers),
        server_key=peer.server_key,
        members=peer.members(),
    )


class PeopleLog:
    """The people in the table, and in which order their rows have changed."""

    def __init__(self) -> None:
        self._rows: dict[str, events.Person] = {}
        self._changed: list[str] = []
        self._forgotten = 0

    def update(self, people: Sequence[events.Person]) -> None:
        """Take the people as they are now."""
        rows = {one.name: one for one in people}
        self._changed += [name for name, row in rows.items() if self._rows.get(name) != row]
        self._changed += [name for name in self._rows if name not in rows]
        self._rows = rows
        if len(self._changed) > _CHANGES_KEPT:
            self._forgotten += len(self._changed)
            self._changed.clear()

    @property
    def newest(self) -> int:
        """How many changes there were."""
        return self._forgotten + len(self._changed)

    def lines_after(self, told: int | None) -> list[bytes]:
        """Return lines that tell somebody who was told so many changes of the others."""
        is_all = told is None or told < self._forgotten
        changed = (
            self._rows if is_all else dict.fromkeys(self._changed[(told or 0) - self._forgotten :])
        )
        people = [self._rows[name] for name in changed if name in self._rows]
        gone = [name for name in changed if name not in self._rows]
        lines = []
        for at in range(0, max(len(people), len(gone), 1), PEOPLE_TOGETHER):
            until = at + PEOPLE_TOGETHER
            told_now = encode(tuple(people[at:until]), tuple[events.Person, ...])
            params = {"is_all": is_all and at == 0, "people": told_now, "gone": gone[at:until]}
            lines.append(notice("people", params))
        return lines


class Hub:
    """One peer and its clients."""

    def __init__(self, peer: Peer, *, run: str) -> None:
        """`run`: a word that no other run of the program has."""
        self._peer: Final = peer
        self._run: Final = run
        self._ring: Final = EventRing()
        self._people: Final = PeopleLog()
        self._are_people_old = True
        self._snapshot: PeerSnapshot | None = None
        self._state_line = b""
        self._state_version = 0
        self._unshown: dict[int, events.Said] = {}
        """Lines that clients have, by id, and that nobody has reported as shown; without their
        texts."""

    def note(self, batch: Sequence[events.Event]) -> None:
        """Number events and keep them. `tell` passes them on."""
        self._ring.add(batch)
        for event in batch:
            if isinstance(event, events.Said):
                self._note_unshown([event])
            elif isinstance(event, events.MailReturned):
                self._note_unshown(event.lines)
            elif isinstance(event, events.PeopleEvent | events.RegistryEvent):
                self._are_people_old = True

    def _note_unshown(self, lines: Sequence[events.Said]) -> None:
        for line in lines:
            self._unshown[line.id] = msgspec.structs.replace(line, text="")
        while len(self._unshown) > UNSHOWN_MAX:
            del self._unshown[next(iter(self._unshown))]

    def forget_shown(self, lines: Sequence[events.Said]) -> None:
        """Forget lines that were reported as shown, by the program itself or by a client."""
        for line in lines:
            self._unshown.pop(line.id, None)

    @property
    def is_sending(self) -> bool:
        """Whether a message was under way when we looked."""
        return self._snapshot is not None and self._snapshot.is_sending

    # --- what clients are told

    def look(self) -> None:
        """Look at the state of the peer: `tell` tells it if it has changed. A closed peer changes
        no more."""
        try:
            snapshot = snapshot_of(self._peer)
            people = self._peer.people() if self._are_people_old else None
        except NotOpen:
            return
        if people is not None:
            self._are_people_old = False
            self._people.update(people)
        if snapshot != self._snapshot:
            self._snapshot = snapshot
            self._state_line = notice("state", encode(snapshot, PeerSnapshot))
            self._state_version += 1

    def tell(self, session: RpcSession, *, room: int) -> None:
        """Tell a subscriber what has changed, and as many of the next events as `room` bytes
        hold."""
        if session.after is None or session.is_over:
            return
        if room > 0:
            self._tell_state(session)
        session.tell_events(self._ring, room=room)

    def _tell_state(self, session: RpcSession) -> None:
        if session.state_told != self._state_version:
            session.state_told = self._state_version
            session.tell(self._state_line)
        if session.people_told != self._people.newest:
            for line in self._people.lines_after(session.people_told):
                session.tell(line)
            session.people_told = self._people.newest

    # --- what clients ask

    async def carry_out(self, session: RpcSession, call: Call) -> tuple[Any, RpcError | None]:
        """Carry out a request. Returns its result as JSON values, or the error to answer with."""
        own = _OWN_METHODS.get(call.method)
        asked = own or METHODS.get(call.method)
        if asked is None:
            known = ", ".join(sorted({*_OWN_METHODS, *METHODS}))
            return None, RpcError(
                Code.NO_SUCH_METHOD, f"there is no such method; there are: {known}"
            )
        try:
            arguments = asked.arguments(call.params)
            result = (
                asked.run(self._peer, **arguments)
                if own is None
                else own.run(self, session, **arguments)
            )
            if hasattr(result, "__await__"):
                result = await result
        except (ChatAppError, sqlite3.Error) as error:
            return None, refusal_of(error)
        except Exception as error:  # noqa: BLE001 - any bug at all
            _log.error("fault in %s: %s", call.method, quoted(repr(error)), exc_info=True)
            return None, RpcError(Code.FAULT, "this is a fault of the program; its log tells more")
        if call.method.startswith("trust."):
            self._are_people_old = True  # who is verified has no event
        return asked.result.encode(result), None

    def hello(self, session: RpcSession, protocol: int) -> Greeting:
        """Greet a client. The session has checked `protocol`."""
        peer = self._peer
        return Greeting(
            protocol=protocol,
            program="ChatApp",
            process=os.getpid(),
            run=self._run,
            last=self._ring.last,
            server=peer.server,
            servers=peer.servers,
            address=peer.address,
            port=peer.port,
            folder=peer.folder,
            state=snapshot_of(peer),
        )

    def subscribe(
        self, session: RpcSession, run: str | None = None, after: int | None = None
    ) -> Subscribed:
        """Tell a client of events from now on, or from those on that follow the one with the number
        `after` of `run`."""
        is_first = run is None and after is None
        is_whole = run == self._run and after is not None and self._ring.has_all_after(after)
        session.after = begin = after if is_whole and after is not None else self._ring.last
        session.people_told, session.state_told = None, 0
        return Subscribed(after=begin, missed=not (is_first or is_whole))

    def state(self, session: RpcSession) -> PeerSnapshot:
        """Return the state."""
        return snapshot_of(self._peer)

    def shown(
        self,
        session: RpcSession,
        ids: tuple[int, ...] = (),
        visit: int | None = None,
        position: int | None = None,
    ) -> None:
        """Note that a client has shown lines, or the lines of a visit up to this position."""
        shown: list[events.Event] = [self._unshown[one] for one in ids if one in self._unshown]
        if visit is not None and position is not None:
            shown.append(events.ClientSaid(sender="", text="", visit=visit, position=position))
        self._peer.events_shown(shown)

    async def unshown(self, session: RpcSession, after: int = 0) -> Unshown:
        """Return the first lines with higher ids than `after` that nobody has reported as shown."""
        lines = await self._peer.unshown(after, LINES_TOGETHER + 1)
        first = next(together(lines), ())
        self._note_unshown(first)
        return Unshown(lines=first, more=len(first) < len(lines))


_OWN_METHODS: Final[Mapping[str, Method]] = {
    HELLO: method(Hub.hello, own=2),
    "subscribe": method(Hub.subscribe, own=2),
    "state": method(Hub.state, own=2),
    "shown": method(Hub.shown, own=2),
    "unshown": method(Hub.unshown, own=2),
}
"""Methods that are about the client. They take the hub and the session before the parameters."""
