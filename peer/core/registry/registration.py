"""Registration of a peer: its connection to the registry, what it does about a registry that lets it
in, refuses it or does not answer, and what the user wants of it and has decided about its key.

The connection itself, which a visitor has as well, is in `peer.core.registry.connection`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from chatapp.peer.api import events
from chatapp.peer.api.events import AdmissionRefusal
from chatapp.peer.core.contacts import doubt_about
from chatapp.peer.core.context import Context, People, RegistryChange, RegistryReach, Routes
from chatapp.peer.core.records import Loaded, RegistryPinned, RegistryVerified, ServersNamed
from chatapp.peer.core.registry.connection import ConnectionEvent, LinkReader, RegistryConnection
from chatapp.peer.core.registry.names import Releasing, Renaming
from chatapp.peer.core.registry.session import RegistrySession, State
from chatapp.wire.address import Address
from chatapp.wire.identity import fingerprint, fingerprint_digits, fingerprint_from
from chatapp.wire.messages.registration import (
    RefusalReason,
    Released,
    ReleaseRefused,
    RenameAccepted,
    RenameRefused,
)
from chatapp.wire.messages.table import run_of

SERVER: Final = "server"
"""Stands for the registry where a name is expected; nobody can have this name."""


class RegistryTrust:
    """Whether the user has compared the registry's key, and which key is accepted."""

    def __init__(
        self, ctx: Context, session: RegistrySession, people: People, *, is_verified: bool
    ) -> None:
        """`is_verified`: whether the user has compared the key before."""
        self._out = ctx.out
        self._session: Final = session
        self._people: Final = people
        self._is_verified = is_verified
        self._shown: str | None = None
        """The digits that were shown last."""

    def key(self) -> events.RegistryKey:
        """Return the fingerprints of the registry's key and of the one that answers in its
        place."""
        held, other = self._session.pinned, self._session.stranger
        self._shown = self._answering_digits()
        return events.RegistryKey(
            held="" if held is None else fingerprint(held),
            other="" if other is None else fingerprint(other),
            is_verified=self._is_verified or self._session.is_key_named,
        )

    def accept(self, digits: str | None, *, now: float) -> events.Trusted | events.NotTrusted:
        """Trust the key with this fingerprint for our registry: the one that we hold, which then
        counts as compared, or the one that answers in its place, which we hold as soon as that
        registry lets us in."""
        typed = None if digits is None else fingerprint_from(digits) or digits
        held = self._session.pinned
        if held is not None and typed == fingerprint_digits(held):
            self._is_verified = True
            self._out.records.append(RegistryVerified())
            return events.Trusted(name=SERVER, is_new=False)
        doubt = doubt_about(typed, self._answering_digits(), shown=self._shown)
        if doubt is not None:
            return events.NotTrusted(name=SERVER, why=doubt)
        assert typed is not None
        self._session.demand(typed)
        if self._session.state is State.PAUSING:
            self._session.start(table_version=self._people.version, now=now)
        return events.Trusted(name=SERVER, is_new=True)

    def _answering_digits(self) -> str:
        """Return the digits to compare: of the key that answers in place of ours, else of ours;
        empty without a key."""
        key = self._session.stranger or self._session.pinned
        return "" if key is None else fingerprint_digits(key)


SEEKING_SPAN: Final = 5.0
"""Seconds after which a registry that answers by UDP but accepts no link counts as lost for
everything that needs the link."""

_WANT_CODE: Final = frozenset({RefusalReason.NOT_INVITED, RefusalReason.KEPT_FOR_OPERATOR})

OUTDONE_MAX: Final = 3
"""How often we make a newer card than the one the registry knows, until it lets us in. The limit
ends a race of two programs that start together with the same key."""


class Registration:
    """The subject `registry` of a peer (a `RegistrationOwner` and a `RegistryPort`)."""

    def __init__(
        self,
        ctx: Context,
        hub: LinkReader,
        people: People,
        *,
        servers: Sequence[Address],
        loaded: Loaded,
    ) -> None:
        self._ctx: Final = ctx
        self._out = ctx.out
        self._hub: Final = hub
        self._people: Final = people
        self.session: Final = RegistrySession(
            ctx, addresses=servers, named_servers=loaded.servers, pinned=loaded.registry
        )
        self.connection: Final = RegistryConnection(
            ctx, session=self.session, owner=self, reader=hub
        )
        self.connection.slow_link = None
        self.link: Final = self.connection.link
        self.renaming: Final = Renaming(ctx, self.session)
        self.releasing: Final = Releasing(ctx, self.session, go_offline=self._go_offline)
        self.trust: Final = RegistryTrust(
            ctx, self.session, people, is_verified=loaded.is_registry_verified
        )
        self.servers: Final = self.session.servers
        self.ping: Final = self.session.ping
        self.send_group_frame: Final = self.link.send_group_frame
        self.use_code: Final = self.session.use_code
        self.demand: Final = self.session.demand
        self.expect_announced: Final = self.session.expect_announced
        self.routes: Final[Routes] = {
            RenameAccepted: self.renaming.answered,
            RenameRefused: self.renaming.answered,
            Released: self.releasing.answered,
            ReleaseRefused: self.releasing.answered,
        }
        self.newly_pinned: bytes | None = None
        self._last_run: int | None = None
        self._stored_servers = self.session.servers.named
        self._outdone = 0
        """How many newer cards were made since the registry last let us in, or we last wanted in;
        see OUTDONE_MAX."""
        self.not_let_in: events.NotLetIn | None = None
        """Why the registry has not let us in since `start`."""
        self._seeking_since: float | None = None
        """Since when we look for the registry, or for a link to it."""
        self._is_given_up = False
        """Whether the others know that no attempt is under way."""
        ctx.alarms.follow(self.connection.next_timer, self._tend)
        ctx.alarms.follow(self._next_look, self.look)

    # --- for other subjects

    @property
    def is_up(self) -> bool:
        """Whether requests can be sent."""
        return self.link.is_up

    @property
    def pinned(self) -> bytes | None:
        """The registry's key that we hold."""
        return self.session.pinned

    def search(self, *, now: float) -> bool:
        """Look for a lost registry at once, because a request waits for it. Return whether an
        attempt is under way."""
        is_wanted = self.session.search(now=now)
        self._is_given_up = self._is_given_up and not is_wanted
        return is_wanted

    # --- what the user wants

    def spare_link(self) -> None:
        """Ask for the lease of a slow link, whatever is measured."""
        self.connection.slow_link = True

    def start(self, *, now: float) -> None:
        """Register, as if for the first time; also after `leave`."""
        if self._ctx.status.reach is RegistryReach.NONE:
            self._set_reach(RegistryReach.SEEKING, now)
        self._outdone, self.not_let_in = 0, None
        self._seeking_since = now
        self.connection.start(self._ctx.me, table_version=self._people.version, now=now)

    def leave(self, *, now: float) -> None:
        """Go offline: tell the registry."""
        self._go_offline(now)
        self.session.leave(now=now)

    def _go_offline(self, now: float) -> None:
        """Let nobody send or acknowledge anything any more."""
        self._set_reach(RegistryReach.NONE, now)

    @property
    def demanded(self) -> str | None:
        """The digits of the fingerprint that the user demands of the registry."""
        return self.session.demanded

    def add_servers(self, looked_up: Sequence[Address], addresses: Iterable[Address]) -> None:
        """Look for the registry at these addresses, too. `looked_up`: the servers to which they
        belong."""
        servers = self.servers
        servers.add(addresses)
        servers.to_look_up = [server for server in servers.to_look_up if server not in looked_up]

    def take_pinned(self) -> bytes | None:
        """Return, once, the key of a registry that let us in for the first time, or in place of
        another one."""
        pinned, self.newly_pinned = self.newly_pinned, None
        return pinned

    # --- what happens to the link

    def registry_changed(self, change: RegistryChange) -> None:
        """Leave requests about our name unanswered when the link is lost."""
        if change is RegistryChange.LINK_LOST:
            self.renaming.stop_waiting()
            self.releasing.give_up()

    # --- whether it can be reached

    def _tend(self, *, now: float) -> None:
        self.connection.handle_timer(now=now)
        self.look(now=now)

    def look(self, *, now: float) -> None:
        """Measure whether the registry can be reached, and tell those who depend on it."""
        reach, status = self._measure(now), self._ctx.status
        if status.reach is not RegistryReach.NONE:
            self._set_reach(reach, now)
        is_given_up = status.reach is RegistryReach.LOST and not self.session.is_wanted
        was_given_up, self._is_given_up = self._is_given_up, is_given_up
        if is_given_up and not was_given_up:
            self._hub.registry_changed(RegistryChange.GIVEN_UP, now=now)
        if status.reach is RegistryReach.LOST:
            self.renaming.give_up()

    def _set_reach(self, reach: RegistryReach, now: float) -> None:
        if reach is self._ctx.status.reach:
            return
        self._ctx.status.change(reach, now=now)
        self._hub.registry_changed(RegistryChange.REACH, now=now)
        if reach is RegistryReach.LOST:
            self._hub.registry_changed(RegistryChange.LOST, now=now)

    def _next_look(self) -> float | None:
        """Return when the search for the registry, or for a link to it, has taken long enough."""
        is_seeking = self._ctx.status.reach is RegistryReach.SEEKING
        if self._seeking_since is None or not is_seeking or self.session.is_looking:
            return None
        return self._seeking_since + SEEKING_SPAN

    def _measure(self, now: float) -> RegistryReach:
        if self.link.is_up and self._people.is_fresh:
            self._seeking_since = None
            return RegistryReach.UP
        if self._ctx.status.is_lost:
            return RegistryReach.LOST
        if self._seeking_since is None:
            self._seeking_since = now
        return (
            RegistryReach.SEEKING
            if self.session.is_looking or now < self._seeking_since + SEEKING_SPAN
            else RegistryReach.LOST
        )

    # --- what happens to the registration

    def tell(self, event: ConnectionEvent) -> None:
        """Tell the user."""
        self._out.events.append(event)

    def welcomed(self, *, is_first: bool, is_back: bool, new_key: bytes | None, now: float) -> bool:
        """Note what the WELCOME says. Return False if a rename makes us register once more."""
        if new_key is not None:
            self.newly_pinned = new_key
            self._out.records.append(RegistryPinned(new_key, is_verified=self.session.is_key_named))
        assert self.session.welcome is not None
        ahead = self.session.welcome.clock / 1_000 - (self._ctx.wall(now))
        self._ctx.status.clock_heard(ahead)
        self._hub.registry_changed(RegistryChange.CLOCK_KNOWN, now=now)
        if self.session.servers.named != self._stored_servers:
            self._stored_servers = self.session.servers.named
            self._out.records.append(ServersNamed(self._stored_servers))
        run = run_of(self.session.welcome.table_version)
        if run != self._last_run:  # each server has a card of its own, but they have one table
            if self._last_run is not None:
                self._hub.registry_changed(RegistryChange.RESTARTED, now=now)
            self._last_run = run
        if self.session.is_registry_behind:
            self._hub.registry_changed(RegistryChange.RESTORED, now=now)
        if self.renaming.welcomed():
            self.session.start(table_version=self._people.version, now=now)
            return False
        if is_first:
            self._out.events.append(events.Registered())
        if is_first or is_back:
            self._seeking_since = now
        self._outdone, self.not_let_in = 0, None
        self._hub.registry_changed(RegistryChange.LET_IN, now=now)
        return True

    def lost(self, *, has_begun: bool, now: float) -> None:
        """Go on without the registry."""
        if has_begun:
            self._out.events.append(events.ServerLost())
        else:
            saved_at = self._people.saved_at if len(self._people.contacts) else None
            self._out.events.append(events.NoServerAtStart(table_time=saved_at))
        self._tell_missed(has_begun=has_begun, now=now)

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
            is_announced = self.session.is_expected_as_announced
            self._not_let_in(
                events.RegistryKeyChanged(
                    expected=self.session.expected, got=key, is_announced=is_announced
                )
            )
        self._tell_missed(has_begun=has_begun, now=now)

    def left(self, *, is_confirmed: bool) -> None:
        """Tell the user that we are offline."""
        self._out.events.append(events.SignedOff() if is_confirmed else events.LeaveUnanswered())

    @property
    def awaits_welcome(self) -> bool:
        """Whether only another registration shows which name is ours."""
        return self._ctx.me.other_name is not None

    def denied(self, reason: RefusalReason, *, has_begun: bool, now: float) -> None:
        """Register again with another card if that may help; else tell the user why we are not let
        in."""
        is_old = reason is RefusalReason.OLD_CARD
        # While we are registering, a newer card of ours is from an earlier run: our folder or clock
        # was set back. Once we were registered, it is another program's, and two programs must not
        # throw each other out in turn.
        if self.renaming.denied(reason) or (is_old and not has_begun and self._outdo(now)):
            self.session.start(table_version=self._people.version, now=now)
        elif is_old and has_begun:
            self._not_let_in(events.AdmissionRefused(reason=AdmissionRefusal.OTHER_PROGRAM))
        elif reason is RefusalReason.NAME_TAKEN:
            self._not_let_in(events.NameUnavailable(name=self._ctx.me.name))
        elif reason in _WANT_CODE and self.session.is_code_foreign:
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
            seconds, text = self.session.denied_for, self.session.denied_text
            self._not_let_in(
                events.AdmissionRefused(reason=why, key=key, seconds=seconds, text=text)
            )

    def _outdo(self, now: float) -> bool:
        """Make a card newer than the one the registry knows. Return whether we did."""
        if self._outdone >= OUTDONE_MAX or not self._ctx.me.outdo(self.session.newer_counter):
            return False
        self._outdone += 1
        self._hub.registry_changed(RegistryChange.CARD_RENEWED, now=now)
        self.session.use_card(self._ctx.me.card, first_opening=self._ctx.me.first_opening)
        return True

    def _not_let_in(self, why: events.NotLetIn) -> None:
        self.not_let_in = why
        self._out.events.append(why)

    def _tell_missed(self, *, has_begun: bool, now: float) -> None:
        change = RegistryChange.MISSED if has_begun else RegistryChange.NOT_FOUND
        self._hub.registry_changed(change, now=now)
