"""The engine of a registry: it keeps the state and decides, for all of the registry's edges.

A request is handed to the hub of the rules, which returns effects. The engine carries them out: it tells
edges what to send, and holds back whatever must wait for the disk (`CommitBarrier`).
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Final, assert_never

import msgspec

from chatapp.registry.edge.ports import EdgePort
from chatapp.registry.rules.admin_requests import CoreRequest
from chatapp.registry.rules.context import Context
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.directory.directory import TableBroadcaster
from chatapp.registry.rules.effects import (
    LOCAL,
    NODE_SHIFT,
    Admit,
    AnswerAdmin,
    Append,
    Caller,
    CheckAlive,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    Effects,
    Handle,
    NamesSkipped,
    Note,
    Offer,
    Push,
    Refuse,
    Relay,
    RelayTo,
    Reply,
    Rule,
    SendDatagram,
    Settled,
    ShowOnConsole,
    Store,
    StoreFailed,
    StoreLetter,
    TellConsole,
    TellEverybody,
)
from chatapp.registry.rules.hub import Hub
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.registry.store.entries import Entry
from chatapp.registry.store.protocol import Loaded
from chatapp.registry.telemetry.figures import CoreSnapshot, Recorder
from chatapp.wire.codec import GroupHeader, encode
from chatapp.wire.limits import PROMISES_BYTES_MAX, PROMISES_MAX
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.registration import Register


class Promise(msgspec.Struct):
    """Who goes on when some entries are on the disk, or are not."""

    upto: int
    """How many entries must be on the disk."""
    waiting: Rule | list[StoreLetter]
    """A rule, or a run of letters, which are settled together."""
    held: int = 0
    """Bytes that the rule keeps in memory."""
    is_lost: bool = False
    """Whether its entries were not stored."""


class CommitBarrier:
    """Entries on their way to the disk, and the rules that wait for them."""

    def __init__(self) -> None:
        self._new: list[Entry] = []
        self._handed = 0
        self._stored = 0
        self._promises: deque[Promise] = deque()
        self._count = 0
        """How many requests wait."""
        self._held = 0

    @property
    def is_idle(self) -> bool:
        """Whether every entry is on the disk."""
        return not self._new and self._stored == self._handed

    @property
    def stored_in_all(self) -> int:
        """How many entries are on the disk, since the start."""
        return self._stored

    def append(self, entries: Sequence[Entry]) -> None:
        """Queue entries for which nothing waits."""
        self._new.extend(entries)

    def add(self, store: Store, rule: Rule) -> bool | None:
        """Queue the entries, and the rule behind them. Return None; or whether they count as stored
        if the rule need not wait: nothing is on its way, or too much is."""
        places = 2 * PROMISES_MAX if store.is_reserved else PROMISES_MAX
        if self._count >= places or (store.held and self._held >= PROMISES_BYTES_MAX):
            # Without entries it is dropped: mostly a repeated request, whose first copy gets the
            # answer.
            return False if store.entries else None
        self._new.extend(store.entries)
        if self.is_idle:
            return True
        self._held += store.held
        self._count += 1
        self._promises.append(Promise(self._handed + len(self._new), rule, store.held))
        return None

    def add_letter(self, letter: StoreLetter) -> bool:
        """Queue a letter's entry. Return False if too much is on its way."""
        if self._count >= PROMISES_MAX:
            return False
        self._new.append(letter.entry)
        self._count += 1
        before = self._handed + len(self._new) - 1
        last = self._promises[-1] if self._promises else None
        if (
            last is not None
            and last.upto == before
            # The first entry of a turn begins a run, too: what is handed over together is stored
            # together or not at all.
            and before != self._handed
            and isinstance(last.waiting, list)
        ):
            last.waiting.append(letter)
            last.upto = before + 1
        else:
            self._promises.append(Promise(before + 1, [letter]))
        return True

    def entries_to_store(self) -> list[Entry]:
        """Drain the new entries, in order."""
        entries, self._new = self._new, []
        self._handed += len(entries)
        return entries

    def stored(self, count: int) -> list[Promise]:
        """Note that the oldest `count` entries on their way are on the disk. Return who waited for
        them."""
        self._stored = min(self._stored + count, self._handed)
        released: list[Promise] = []
        while self._promises and self._promises[0].upto <= self._stored:
            promise = self._promises.popleft()
            self._held -= promise.held
            self._count -= len(promise.waiting) if isinstance(promise.waiting, list) else 1
            released.append(promise)
        return released

    def failed(self, newest: int | None) -> list[Promise]:
        """Note that the newest `newest` entries on their way (all, for None) were not stored. Who
        waited for them goes on behind those who wait for older entries: what is told must not
        overtake what happened before. Return who goes on now."""
        pending = self._handed - self._stored
        lost = pending if newest is None else min(newest, pending)
        kept_upto = self._handed - lost
        for promise in self._promises:
            if promise.upto > self._handed:  # made since, for entries that are not handed over yet
                promise.upto -= lost
            elif promise.upto > kept_upto:
                promise.upto, promise.is_lost = kept_upto, True
        self._handed = kept_upto
        return self.stored(0)


_AFTER_NODE: Final = " "
"""Between the node and its ticket, in the ticket of an admin request."""


class Engine:
    """One engine. It is a `EnginePort` for each of its edges."""

    def __init__(
        self,
        context: Context,
        loaded: Loaded,
        recorder: Recorder,
        *,
        desk: DeskSettings,
        access: AccessSettings,
        now: float,
    ) -> None:
        self._clock = context.clock
        self._recorder = recorder
        self.lease_span: Final = context.policy.lease_span
        """Seconds without a sign of life after which a peer counts as away."""
        self.hub: Final = Hub(context, loaded, desk=desk, access=access, now=now)
        self.edges: Final[dict[int, EdgePort]] = {}
        """The edges, by node. Effects for other nodes are lost."""
        self.holds_lease: Callable[[float], bool] = lambda _: True
        """Whether no other node can have an engine at this time."""
        self._barrier = CommitBarrier()
        self._broadcaster = TableBroadcaster(
            self.hub.directory.table, context.identity, context.policy
        )
        self._console_lines: list[str] = []
        # What parts of the engine do, under the names that edges and a driver use.
        self.sign_of_life: Final = self.hub.liveness.note_if_present
        self.settle: Final = self._broadcaster.check
        self.entries_to_store: Final = self._barrier.entries_to_store
        self.hub.desk.operators.draw_codes(context.identity.public, context.rng)
        if self.hub.unreadable_names:
            recorder.note(NamesSkipped(count=self.hub.unreadable_names))

    def start(self, *, now: float) -> None:
        """Do what has to be done before the first request is served. Call it once."""
        self._carry_out(self.hub.start(), now)

    # --- from the edges

    def admits(self, now: float, /) -> bool:
        """Return whether people are let in at this time. An engine that may have been succeeded
        must not: a peer that has seen the table of the later one would take its own for the table
        of a registry that was restored from a backup."""
        return self.holds_lease(now)

    def name_of(self, identity: bytes) -> str:
        """Return the name of a person, for the log; empty for anybody else."""
        person = self.hub.directory.person(identity)
        return "" if person is None else person.card.name

    def register(self, register: Register, caller: Caller, *, now: float) -> None:
        """Handle a REGISTER whose signatures were checked."""
        if self.admits(now):
            self._carry_out(self.hub.register(register, caller, now=now), now)
        else:
            self._recorder.dropped[DropReason.NO_ENGINE] += 1

    def request(self, request: PeerRequest, caller: Caller, *, now: float) -> None:
        """Handle a request of an authenticated caller."""
        self._carry_out(self.hub.handle(request, caller, now=now), now)

    def group_frame(self, frame: bytes, header: GroupHeader, caller: Caller, *, now: float) -> None:
        """Handle a line for a group."""
        self._carry_out(self.hub.receive_frame(frame, header, caller, now=now), now)

    def link_lost(self, identity: bytes, link: int, *, now: float) -> None:
        """Note that an attached link is over: its peer is away until the next sign of life."""
        self._carry_out(self.hub.link_lost(identity, link, now=now), now)

    def adopt_link(self, nonce: bytes, caller: Caller, *, now: float) -> None:
        """Count somebody as registered whose link has outlived another engine, with the nonce of
        that REGISTER. `caller` has the link and the address."""
        self._carry_out(self.hub.adopt_link(nonce, caller, now=now), now)

    def node_lost(self, node: int, links: Sequence[tuple[int, bytes]], *, now: float) -> None:
        """Forget the edge of a node that has gone, with these links and their identities."""
        self.edges.pop(node, None)
        self._carry_out(self.hub.node_lost(node, links, now=now), now)

    # --- the registry's console and its administrator

    def console_opened(self, *, is_terminal: bool, now: float) -> None:
        """Open the registry's console for typed lines. `is_terminal`: whether a person types, and
        not a script."""
        self._carry_out(self.hub.desk.console.opened(is_terminal=is_terminal, now=now), now)

    def console_typed(self, line: str, *, now: float) -> None:
        """Handle a line typed at the console."""
        self._carry_out(self.hub.desk.console.typed(line, now=now), now)

    def console_closed(self, *, now: float) -> None:
        """Note that the console's input has ended."""
        self._carry_out(self.hub.desk.console.closed(now=now), now)

    def run_admin_request(
        self, request: CoreRequest, ticket: str, *, node: int = LOCAL, now: float
    ) -> None:
        """Carry out an admin request that was made at this node. Its edge gets the answer, under
        this ticket."""
        whole = f"{node}{_AFTER_NODE}{ticket}"
        self._carry_out(self.hub.run_admin_request(request, whole, now=now), now)

    def change_lists(self, lists: AccessLists, *, now: float) -> int:
        """Put new access lists in force. Return how many people who are here have to go."""
        count, effects = self.hub.change_lists(lists, now=now)
        self._carry_out(effects, now)
        return count

    def snapshot(self, *, now: float) -> CoreSnapshot:
        """Return the figures of this moment."""
        figures = self.hub.figures(now=now)
        figures["stored_entries"] = self._barrier.stored_in_all
        figures["broadcasts"] = self._broadcaster.broadcasts
        figures["broadcast_rows"] = self._broadcaster.rows
        desk = self.hub.desk
        return CoreSnapshot(figures, self._recorder.counted(), desk.overview(now=now), desk.waits)

    # --- the disk

    def entries_stored(self, count: int, *, now: float) -> None:
        """Note that the oldest `count` entries on their way are on the disk."""
        self.hub.disk.is_full = False
        self._settle(self._barrier.stored(count), now=now)

    def store_failed(
        self, reason: str, *, newest: int | None = None, is_full: bool = False, now: float
    ) -> None:
        """Note that the newest `newest` entries on their way (all, for None) were not stored.
        `reason` is for the log; `is_full`: whether the disk had no space left."""
        self.hub.disk.is_full = is_full
        self._recorder.note(StoreFailed(reason=reason))
        self._settle(self._barrier.failed(newest), now=now)

    # --- time

    def set_wall(self, wall: float, *, now: float) -> None:
        """Set the wall clock (Unix seconds). It stamps what is stored from now on, and moves no
        deadline."""
        self._clock.set(wall, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        self._carry_out(self.hub.handle_timer(now=now), now)

    def broadcast_table(self, *, now: float) -> None:
        """Announce changes of the table, if that is due."""
        directory = self.hub.directory
        edges = [(node, edge) for node, edge in self.edges.items() if edge.takes_broadcasts]
        if not edges:
            self._broadcaster.pass_over()
            return
        payloads = self._broadcaster.handle_timer(audience=directory.online_count, now=now)
        if not payloads:
            return
        key, index = self.hub.channel.group.key, self.hub.indices.own
        sealed = [key.seal(index, payload) for payload in payloads]
        for node, edge in edges:
            addresses = directory.online_addresses(node)
            for frame in sealed:
                edge.broadcast(frame, addresses)

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        return self.hub.next_timer()

    def next_broadcast(self) -> float:
        """Return when `broadcast_table` is to be called next; infinity for not at all."""
        due = self._broadcaster.next_timer()
        return float("inf") if due is None else due

    # --- out

    def take_console_lines(self) -> list[str]:
        """Drain the lines for the console."""
        lines, self._console_lines = self._console_lines, []
        return lines

    def _carry_out(self, effects: Effects, now: float) -> None:
        """Carry out each effect by itself: a fault of ours in one must not cost the effects behind
        it, which may be of other people."""
        if not isinstance(effects, list):
            self._go_on(effects, None, now)
            return
        for effect in effects:
            try:
                self._carry_out_one(effect, now)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._recorder.fault(error)

    def _go_on(self, rule: Rule, answer: Settled | None, now: float) -> None:
        """Begin a rule, or go on with one that waited for this answer, until it waits or ends."""
        try:
            effect = next(rule) if answer is None else rule.send(answer)
            while True:
                if isinstance(effect, Store):
                    is_stored = self._barrier.add(effect, rule)
                    if is_stored is None:
                        return
                    effect = rule.send(Settled(is_stored, now))
                    continue
                try:
                    self._carry_out_one(effect, now)
                except Exception as error:  # noqa: BLE001 - as above
                    self._recorder.fault(error)
                effect = next(rule)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
            self._recorder.fault(error)

    def _settle(self, promises: Iterable[Promise], *, now: float) -> None:
        """Go on with those who waited for the disk."""
        for promise in promises:
            is_stored = not promise.is_lost
            if isinstance(promise.waiting, list):
                self._settle_letters(promise.waiting, is_stored=is_stored, now=now)
            else:
                self._go_on(promise.waiting, Settled(is_stored, now), now)

    def _settle_letters(self, letters: list[StoreLetter], *, is_stored: bool, now: float) -> None:
        try:
            effects = self.hub.mail.settle(letters, is_stored=is_stored)
        except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
            self._recorder.fault(error)
        else:
            self._carry_out(effects, now)

    def _carry_out_one(self, effect: Effect, now: float) -> None:
        match effect:  # the most frequent first: each case costs an isinstance check
            case Reply():
                to = effect.to
                edge = self.edges.get(to.node if to.link is None else to.link >> NODE_SHIFT)
                if edge is not None:
                    edge.reply(to, encode(effect.message))
            case StoreLetter():
                if not self._barrier.add_letter(effect):
                    self._settle_letters([effect], is_stored=False, now=now)
            case Append():
                self._barrier.append(effect.entries)
            case Push() | Offer():
                edge = self.edges.get(effect.link >> NODE_SHIFT)
                if edge is not None:
                    send: Callable[[int, bytes], None] = (
                        edge.push
                        if isinstance(effect, Push)
                        else partial(edge.offer, is_idle=effect.is_idle)
                    )
                    send(effect.link, encode(effect.message))
            case Relay():
                for edge in self.edges.values():
                    edge.relay(effect.frame, effect.sender)
            case RelayTo():
                for edge in self.edges.values():
                    edge.relay_to(effect.frame, effect.links, effect.sender)
            case Generator():
                self._go_on(effect, None, now)
            case Handle():
                self.request(effect.request, effect.to, now=now)
            case TellConsole():
                self._carry_out(self.hub.desk.console.show_notice(effect.notice, now=now), now)
            case Drop():
                self._recorder.dropped[effect.reason] += 1
            case _:
                self._carry_out_rare(effect, now)

    def _carry_out_rare(
        self,
        effect: SendDatagram
        | CheckAlive
        | Admit
        | Refuse
        | Note
        | Disconnect
        | ShowOnConsole
        | AnswerAdmin
        | TellEverybody,
        now: float,
    ) -> None:
        match effect:
            case CheckAlive():
                self.hub.liveness.check_alive(effect.identity, now=now)
            case SendDatagram():
                edge = self.edges.get(effect.node)
                if edge is not None:
                    payload = encode(effect.message)
                    edge.send_datagram(effect.identity, effect.address, payload, now=now)
            case Admit():
                edge = self.edges.get(effect.to.node)
                if edge is not None:
                    version, clock = self.hub.directory.version, self._clock.millis(now)
                    edge.admit(effect, table_version=version, clock=clock, now=now)
            case Refuse():
                edge = self.edges.get(effect.to.node)
                if edge is not None:
                    edge.refuse(effect)
            case Note():
                self._recorder.note(effect.event)
            case Disconnect():
                edge = self.edges.get(effect.link >> NODE_SHIFT)
                if edge is not None:
                    edge.disconnect(effect.link, effect.reason)
            case ShowOnConsole():
                self._console_lines += effect.lines
            case AnswerAdmin():
                node, _, ticket = effect.ticket.partition(_AFTER_NODE)
                edge = self.edges.get(int(node))
                if edge is not None:
                    edge.answer_admin(ticket, effect.answer)
            case TellEverybody():
                payload = encode(effect.message)
                for edge in self.edges.values():
                    edge.tell_everybody(payload)
            case _:
                assert_never(effect)
