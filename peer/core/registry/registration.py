"""Registration of a peer: what it does about the registry that lets it in, refuses it, or does not
answer.

The connection itself, which a visitor has as well, is in `peer.core.registry.connection`.
"""

from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import AdmissionRefusal
from chatapp.peer.core.contacts import Contacts
from chatapp.peer.core.context import Context, RegistryReach
from chatapp.peer.core.direct.outbox import Ladder
from chatapp.peer.core.direct.transport import PeerTransport
from chatapp.peer.core.direct.unresolved import UnresolvedOutbox
from chatapp.peer.core.people.table import Table
from chatapp.peer.core.records import RegistryPinned, ServersNamed
from chatapp.peer.core.registry.connection import ConnectionEvent
from chatapp.peer.core.registry.link import RegistryLink
from chatapp.peer.core.registry.renaming import Renaming
from chatapp.peer.core.registry.session import RegistrySession
from chatapp.peer.core.rooms.outgoing import GroupOutbox
from chatapp.peer.core.rooms.rooms import Rooms
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.registration import RefusalReason
from chatapp.wire.messages.table import run_of

SEEKING_SPAN: Final = 5.0
"""Seconds after which a registry that answers by UDP but accepts no link counts as lost for
everything that needs the link."""


class RegistryMonitor:
    """Keeps `RegistryStatus` up to date, and tells the parts that wait for the registry."""

    def __init__(
        self,
        ctx: Context,
        *,
        session: RegistrySession,
        link: RegistryLink,
        table: Table,
        unresolved: UnresolvedOutbox,
        ladder: Ladder,
        rooms: Rooms,
        renaming: Renaming,
    ) -> None:
        self._ctx: Final = ctx
        self._session = session
        self._link = link
        self._table = table
        self._unresolved = unresolved
        self._ladder = ladder
        self._rooms = rooms
        self._outbox = rooms.outbox
        self._renaming = renaming
        self._seeking_since: float | None = None

    def seek(self, *, now: float) -> None:
        """Count the registry as SEEKING for a while: there is reason to expect it."""
        self._seeking_since = now

    def clock_known(self, *, now: float) -> None:
        """Number the messages that wait for it, now that the registry's WELCOME has shown its
        clock."""
        self._outbox.clock_known(now=now)
        self._ladder.number_all(now=now)

    def registry_restarted(self) -> None:
        """Doubt what the registry's earlier run saved for us."""
        self._ladder.registry_restarted()

    def look(self, *, now: float) -> None:
        """Measure whether the registry can be reached, and tell the parts that depend on it."""
        if self._unresolved.waiting:  # mostly not: no call
            self._unresolved.look(wall=self._ctx.wall(now), now=now)
        reach = self._measure(now)
        if self._ctx.status.reach is not RegistryReach.NONE:
            self._ladder.set_reach(reach, now=now)
        if self._ctx.status.reach is RegistryReach.LOST:
            self._outbox.registry_lost(now=now)
            if (
                not self._session.is_wanted
            ):  # otherwise one more attempt is under way, and the requests wait for it
                self._rooms.registry_lost(now=now)
            self._renaming.registry_lost()

    def next_timer(self) -> float | None:
        """Return when the search for the registry, or for a link to it, has taken long enough."""
        if self._seeking_since is None or self._ctx.status.reach is not RegistryReach.SEEKING:
            return None
        return self._seeking_since + SEEKING_SPAN

    def _measure(self, now: float) -> RegistryReach:
        if self._link.is_up and self._table.is_fresh:
            self._seeking_since = None
            return RegistryReach.UP
        if self._session.is_lost:
            return RegistryReach.LOST
        if self._seeking_since is None:
            self._seeking_since = now
        return (
            RegistryReach.SEEKING
            if now < self._seeking_since + SEEKING_SPAN
            else RegistryReach.LOST
        )


class Departure:
    """What a peer stops when it goes offline by its own wish: nothing is sent or acknowledged any
    more."""

    def __init__(
        self, *, outbox: GroupOutbox, ladder: Ladder, rooms: Rooms, transport: PeerTransport
    ) -> None:
        self._outbox: Final = outbox
        self._ladder: Final = ladder
        self._rooms: Final = rooms
        self._transport: Final = transport

    def stop(self, *, now: float) -> None:
        """Stop all of it."""
        self._outbox.stop(now=now)
        self._ladder.set_reach(RegistryReach.NONE, now=now)
        self._rooms.stop(now=now)
        self._transport.stop_hailing()


_WANT_CODE: Final = frozenset({RefusalReason.NOT_INVITED, RefusalReason.KEPT_FOR_OPERATOR})

OUTDONE_MAX: Final = 3
"""How often we make a newer card than the one the registry knows, until it lets us in. The limit
ends a race of two programs that start together with the same key."""


class PeerRegistration:
    """What a peer does when the registry lets it in, refuses it or is lost (a
    `RegistrationOwner`)."""

    def __init__(
        self,
        ctx: Context,
        *,
        session: RegistrySession,
        monitor: RegistryMonitor,
        transport: PeerTransport,
        table: Table,
        contacts: Contacts,
        renaming: Renaming,
    ) -> None:
        self._ctx: Final = ctx
        self._session = session
        self._monitor = monitor
        self._transport = transport
        self._table = table
        self._contacts = contacts
        self._renaming = renaming
        self._out = ctx.out
        self.newly_pinned: bytes | None = None
        self._last_run: int | None = None
        self._stored_servers = session.servers.named
        self._outdone = 0
        """How many newer cards were made since the registry last let us in, or we last wanted in;
        see OUTDONE_MAX."""
        self.not_let_in: events.NotLetIn | None = None
        """Why the registry has not let us in since `begin`."""

    def begin(self, *, now: float) -> None:
        """Begin anew, as if for the first time: the user wants to be registered."""
        self._outdone, self.not_let_in = 0, None
        self._monitor.seek(now=now)

    def take_pinned(self) -> bytes | None:
        """Return, once, the key of a registry that let us in for the first time, or in place of
        another one."""
        pinned, self.newly_pinned = self.newly_pinned, None
        return pinned

    # --- what happens to the registration

    def tell(self, event: ConnectionEvent) -> None:
        """Tell the user."""
        self._out.events.append(event)

    def welcomed(self, *, is_first: bool, is_back: bool, new_key: bytes | None, now: float) -> bool:
        """Note what the WELCOME says. Return False if a rename makes us register once more."""
        if new_key is not None:
            self.newly_pinned = new_key
            self._out.records.append(
                RegistryPinned(new_key, is_verified=self._session.is_key_named)
            )
        assert self._session.welcome is not None
        ahead = self._session.welcome.clock / 1_000 - (self._ctx.wall(now))
        self._ctx.status.clock_heard(ahead)
        self._monitor.clock_known(now=now)
        if self._session.servers.named != self._stored_servers:
            self._stored_servers = self._session.servers.named
            self._out.records.append(ServersNamed(self._stored_servers))
        run = run_of(self._session.welcome.table_version)
        if run != self._last_run:  # each server has a card of its own, but they have one table
            if self._last_run is not None:
                self._contacts.forget_sender_indices()
                self._monitor.registry_restarted()
            self._last_run = run
        if self._session.is_registry_behind:
            self._table.begin_anew()
        if self._renaming.welcomed():
            self._session.start(table_version=self._table.version, now=now)
            return False
        if is_first:
            self._out.events.append(events.Registered())
        if is_back:
            self._monitor.seek(now=now)
        self._outdone, self.not_let_in = 0, None
        self._transport.stop_hailing()
        return True

    def lost(self, *, has_begun: bool, now: float) -> None:
        """Go on without the registry."""
        if has_begun:
            self._out.events.append(events.ServerLost())
        else:
            saved_at = self._table.saved_at if len(self._contacts) else None
            self._out.events.append(events.NoServerAtStart(table_time=saved_at))
        self._transport.hail_all(was_registered=has_begun, now=now)

    def replaced(
        self, stranger: bytes, *, is_code_foreign: bool, has_begun: bool, now: float
    ) -> None:
        """Go on without our registry: another one answers."""
        key = fingerprint(stranger)
        if is_code_foreign:
            self._not_let_in(
                events.AdmissionRefused(reason=AdmissionRefusal.CODE_OF_ANOTHER, key=key)
            )
        else:
            is_announced = self._session.is_expected_as_announced
            self._not_let_in(
                events.RegistryKeyChanged(
                    expected=self._session.expected, got=key, is_announced=is_announced
                )
            )
        self._transport.hail_all(was_registered=has_begun, now=now)

    def left(self, *, is_confirmed: bool) -> None:
        """Tell the user that we are offline."""
        self._out.events.append(events.SignedOff() if is_confirmed else events.LeaveUnanswered())

    def denied(self, reason: RefusalReason, *, has_begun: bool, now: float) -> None:
        """Register again with another card if that may help; else tell the user why we are not let
        in."""
        is_old = reason is RefusalReason.OLD_CARD
        # While we are registering, a newer card of ours is from an earlier run: our folder or clock
        # was set back. Once we were registered, it is another program's, and two programs must not
        # throw each other out in turn.
        if self._renaming.denied(reason) or (is_old and not has_begun and self._outdo()):
            self._session.start(table_version=self._table.version, now=now)
        elif is_old and has_begun:
            self._not_let_in(events.AdmissionRefused(reason=AdmissionRefusal.OTHER_PROGRAM))
        elif reason is RefusalReason.NAME_TAKEN:
            self._not_let_in(events.NameUnavailable(name=self._ctx.me.name))
        elif reason in _WANT_CODE and self._session.is_code_foreign:
            self._not_let_in(events.AdmissionRefused(reason=AdmissionRefusal.CODE_OF_ANOTHER))
        else:
            key = (
                fingerprint(self._ctx.me.identity.public)
                if reason is RefusalReason.NOT_INVITED
                else ""
            )
            # The remaining reasons are for visitors of the help desk; only a dishonest registry
            # gives a peer one of them.
            why = AdmissionRefusal.__members__.get(reason.name, AdmissionRefusal.NOT_SERVING)
            seconds, text = self._session.denied_for, self._session.denied_text
            self._not_let_in(
                events.AdmissionRefused(reason=why, key=key, seconds=seconds, text=text)
            )

    def _outdo(self) -> bool:
        """Make a card newer than the one the registry knows. Return whether we did."""
        if self._outdone >= OUTDONE_MAX or not self._ctx.me.outdo(self._session.newer_counter):
            return False
        self._outdone += 1
        self._transport.sessions.number_from(self._ctx.me.first_opening)
        self._session.use_card(self._ctx.me.card, first_opening=self._ctx.me.first_opening)
        return True

    def _not_let_in(self, why: events.NotLetIn) -> None:
        self.not_let_in = why
        self._out.events.append(why)
