"""The registry as one state machine without I/O: bytes, the time and random numbers come in, bytes and one deadline go out.

Each input is authenticated and handed to the service, which returns effects. The core carries them out: it fills the
queues that the driver drains, and holds back whatever must wait for the disk. Nothing that a stranger sends raises; it is
dropped and counted. A stranger who has proved nothing never gets more bytes than it sent.
"""

import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, assert_never

from chatapp.registry.access import AccessLists, AccessSettings
from chatapp.registry.admin.messages import AdminAnswer, CoreRequest, QueueFigures
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.effects import (
    Admit,
    AnswerAdmin,
    Caller,
    CheckAlive,
    Disconnect,
    Drop,
    DropReason,
    Effect,
    Fault,
    LettersOutcome,
    LinkEnded,
    LinkEndReason,
    LinkRenewed,
    NamesSkipped,
    Note,
    Offer,
    Persist,
    Push,
    Refuse,
    Relay,
    RelayTo,
    Reply,
    Resume,
    SendDatagram,
    ShowOnConsole,
    StoreFailed,
    StoreLetter,
    TellEverybody,
)
from chatapp.registry.groups.rules import ReadLines
from chatapp.registry.limits import RegistryPolicy, WallClock
from chatapp.registry.mail import ReadLetters
from chatapp.registry.outputs import CommitBarrier, Output, Outputs, TableBroadcaster
from chatapp.registry.service import Service
from chatapp.registry.store.entries import Entry
from chatapp.registry.store.protocol import Loaded
from chatapp.registry.telemetry.figures import Histogram
from chatapp.registry.transport.admission import FairQueue, Gate
from chatapp.registry.transport.links import Links, LinkState, PeerLink, cost_of_answers, cost_of_line
from chatapp.registry.transport.sessions import Sessions
from chatapp.wire.address import Address, network_of
from chatapp.wire.codec import decode_frames, decode_request
from chatapp.wire.errors import DecodeError, SealError, WireError
from chatapp.wire.framing import Kind, unpack_group
from chatapp.wire.identity import Identity
from chatapp.wire.limits import NAMES_MAX, REGISTERS_WAITING_MAX, RENEWAL_COST
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.registration import Leave, Ping, Register
from chatapp.wire.sessions.opening import Randomness

LINKS_MAX = 2 * NAMES_MAX
_SECRET_SIZE = 32
_OPENING: Final = bytes((Kind.OPENING,))
_GROUP: Final = bytes((Kind.GROUP,))
_RENEWAL: Final = bytes((Kind.RENEWAL,))


class CoreSnapshot(NamedTuple):
    """The figures of a core at one moment."""

    figures: dict[str, float]
    """By their names in `registry.telemetry.figures`."""
    dropped: dict[str, int]
    """What was not served, by reason."""
    queues: list[QueueFigures]
    waits: Mapping[str, Histogram]
    """How long visitors waited, by queue."""


class RegistryCore:
    """One registry."""

    def __init__(
        self,
        *,
        identity: Identity,
        rng: Randomness,
        loaded: Loaded,
        read_letters: ReadLetters,
        read_lines: ReadLines,
        link_port: int,
        now: float,
        wall: float,
        policy: RegistryPolicy | None = None,
        links_max: int = LINKS_MAX,
        desk: DeskSettings | None = None,
        access: AccessSettings | None = None,
    ) -> None:
        """`links_max`: how many connections the machine can hold."""
        policy = policy or RegistryPolicy()
        self._clock = WallClock(now=now, wall=wall)
        self._sessions = Sessions(identity, rng, policy, counter=self._clock.millis(now))
        self._links = Links(most=links_max, requests_per_second=policy.requests_per_second)
        self._service = Service(
            loaded=loaded,
            clock=self._clock,
            policy=policy,
            rng=rng,
            read_letters=read_letters,
            read_lines=read_lines,
            desk=desk or DeskSettings(),
            access=access or AccessSettings(),
            now=now,
        )
        self._outputs = Outputs(identity, self._sessions, self._links, policy, link_port=link_port)
        self._barrier = CommitBarrier()
        self._broadcaster = TableBroadcaster(self._service.directory, identity, policy)
        self._gate = Gate(identity, secret=rng.randbytes(_SECRET_SIZE), window=policy.cookie_window)
        self._register_queue: FairQueue[tuple[Register, Address]] = FairQueue(
            most=REGISTERS_WAITING_MAX, now=now
        )
        self.operators: Final = self._service.operators
        self.operators.draw_codes(identity.public, rng)
        self.dropped: Final = self._outputs.dropped
        """How much was not served, by reason."""
        if self._service.unreadable_names:
            self._outputs.note(NamesSkipped(count=self._service.unreadable_names))
        self._carry_out(self._service.start(), now)

    # --- links

    def link_opened(self, link: int, remote: Address, *, now: float) -> None:
        """A connection was accepted. The driver never uses the number `link` again."""
        self._links.open(link, remote, now=now)
        self._settle(now)

    def receive_frames(self, link: int, frames: Sequence[bytes], *, now: float) -> None:
        """Handle whole frames of a link, in order."""
        opened = self._links.find(link)
        if opened is None:
            return
        queued, cost = opened.queued, len(frames)
        for frame in frames:
            if opened.is_over:
                break
            kind = frame[:1]
            if kind == _GROUP:
                cost += cost_of_line(len(frame))
            elif kind == _RENEWAL:
                cost += RENEWAL_COST - 1
            try:
                self._receive_frame(opened, frame, now)
            except DecodeError:
                self.dropped[DropReason.MALFORMED_FRAME] += 1
            except SealError:
                self._links.end(link, LinkEndReason.SEAL_BROKEN)
        if not opened.is_over:
            if opened.state is LinkState.ATTACHED:
                self._service.liveness.note_if_present(opened.identity, now=now)
            cost += cost_of_answers(opened.queued - queued, len(frames))
            self._links.throttle.note(link, opened.network, cost, now=now)
        self._settle(now)

    def _receive_frame(self, link: PeerLink, frame: bytes, now: float) -> None:
        if link.state is LinkState.WAITING:
            self._attach(link, frame, now)
            return
        kind = frame[:1]
        if kind == _RENEWAL:
            if self._links.renewal_came(link, frame):
                self._outputs.note(LinkRenewed(address=link.remote))
            return
        if kind == _GROUP:
            header = unpack_group(frame)
            self._carry_out(self._service.receive_frame(frame, header, link.caller, now=now), now)
            return
        assert link.session is not None
        payload = link.session.open(frame)
        self._carry_out(self._service.handle(decode_request(payload), link.caller, now=now), now)

    def _attach(self, link: PeerLink, frame: bytes, now: float) -> None:
        """Open the link's session by its first frame, which must carry an Attach (clause 9.1)."""
        try:
            if frame[:1] != _OPENING:
                raise SealError("not an opening")
            identity, payload, session, answer = self._sessions.table.take_link(frame, now=now)
            request = decode_request(payload)
        except WireError:
            self._links.end(link.number, LinkEndReason.NO_SESSION)
            return
        if not isinstance(request, Attach):
            self._links.end(link.number, LinkEndReason.NO_ATTACH)
            return
        is_guest = identity in self._service.desk.guests
        self._links.attach(link, session, identity, answer, is_guest=is_guest)
        self._carry_out(self._service.handle(request, link.caller, now=now), now)

    def take_links_to_widen(self) -> list[int]:
        """Drain the links that have authenticated since the last call: their frames may have full length from now on."""
        widened, self._links.to_widen = self._links.to_widen, []
        return widened

    def link_backlog(self, link: int, size: int) -> None:
        """Note that `size` written bytes wait for the link's reader. The driver reports each write that leaves some waiting,
        then again until none are."""
        opened = self._links.find(link)
        if opened is not None:
            opened.backlog = size

    def link_closed(self, link: int, *, now: float) -> None:
        """Note that a connection is over, whichever side ended it."""
        opened = self._links.forget(link)
        if opened is not None and opened.state is LinkState.ATTACHED:
            self._carry_out(self._service.link_lost(opened.identity, link, now=now), now)
            self._settle(now)

    # --- datagrams

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Handle one datagram."""
        kind = data[0] if data else 0
        try:
            if kind in (Kind.SEALED, Kind.OPENING, Kind.ANSWER):
                self._open_sealed(data, sender, now)
            elif kind == Kind.HELLO:
                answer = self._gate.answer_hello(data, sender, card=self._sessions.card, now=now)
                if answer is None:
                    self.dropped[DropReason.OTHER_VERSION] += 1
                else:
                    self._outputs.datagrams.append((answer, sender))
            elif kind == Kind.REGISTER:
                self._receive_register(data, sender, now)
            else:
                self.dropped[DropReason.UNKNOWN_DATAGRAM_KIND] += 1
        except DecodeError:
            self.dropped[DropReason.MALFORMED_DATAGRAM] += 1
        except SealError:
            self.dropped[DropReason.SEAL_BROKEN] += 1

    def _receive_register(self, data: bytes, sender: Address, now: float) -> None:
        """Serve a REGISTER at once, or queue it when many come: its signatures cost more than all the rest."""
        register = self._gate.screen(data, sender, now=now)
        if isinstance(register, DropReason):
            self.dropped[register] += 1
        elif self._register_queue.is_free(now=now):
            self._register(register, sender, now)
        elif not self._register_queue.join(network_of(sender.host), (register, sender), now=now):
            self.dropped[DropReason.REGISTER_QUEUE_FULL] += 1

    def _register(self, register: Register, sender: Address, now: float) -> None:
        flaw = self._gate.flaw_of(register)
        if flaw is not None:
            self.dropped[flaw] += 1
            return
        caller = Caller(identity=register.card.identity, address=sender)
        self._carry_out(self._service.register(register, caller, now=now), now)
        self._settle(now)

    def _open_sealed(self, data: bytes, sender: Address, now: float) -> None:
        table = self._sessions.table
        if table.author_of(data) is None:
            self.dropped[DropReason.NO_SESSION] += 1
            return
        opened = table.open(data, now=now)
        if opened.answer is not None:
            self._outputs.datagrams.append((opened.answer, sender))
        if not opened.payload:
            return
        frames = [frame for frame in decode_frames(opened.payload) if isinstance(frame, Ping | Leave)]
        if not frames:
            self.dropped[DropReason.NOTHING_FOR_REGISTRY] += 1
            return
        caller = Caller(
            identity=opened.identity, address=sender, session=opened.session, is_newest=opened.is_newest
        )
        # Only the last frame is served: one answer a datagram, so that nobody can make us send more than they do.
        self._carry_out(self._service.handle(frames[-1], caller, now=now), now)
        self._settle(now)

    # --- the registry's console and its administrator

    def console_opened(self, *, is_terminal: bool, now: float) -> None:
        """Open the registry's console for typed lines. `is_terminal`: whether a person types, and not a script."""
        self._carry_out(self._service.desk.console.opened(is_terminal=is_terminal, now=now), now)
        self._settle(now)

    def console_typed(self, line: str, *, now: float) -> None:
        """Handle a line typed at the console."""
        self._carry_out(self._service.desk.console.typed(line, now=now), now)
        self._settle(now)

    def console_closed(self, *, now: float) -> None:
        """Note that the console's input has ended."""
        self._carry_out(self._service.desk.console.closed(now=now), now)
        self._settle(now)

    def tell_stopping(self, *, now: float) -> None:
        """Tell everybody that the registry stops now."""
        self._carry_out(self._service.stopping(), now)

    def run_admin_request(self, request: CoreRequest, ticket: str, *, now: float) -> None:
        """Carry out an admin request. `take_admin_answers` returns the answer under this ticket."""
        self._carry_out(self._service.run_admin_request(request, ticket, now=now), now)
        self._settle(now)

    def change_lists(self, lists: AccessLists, *, now: float) -> int:
        """Put new access lists in force. Return how many people who are here have to go."""
        count, effects = self._service.change_lists(lists, now=now)
        self._carry_out(effects, now)
        self._settle(now)
        return count

    def snapshot(self, *, now: float) -> CoreSnapshot:
        """Return the figures of this moment."""
        figures = self._service.figures(now=now)
        figures["links"] = len(self._links)
        figures["room_deliveries"] = self._links.copies_relayed
        figures["stored_entries"] = self._barrier.stored_in_all
        dropped = {reason.name.lower(): count for reason, count in self.dropped.items()}
        desk = self._service.desk
        return CoreSnapshot(figures, dropped, desk.overview(now=now), desk.waits)

    # --- the disk

    def entries_to_store(self) -> list[Entry]:
        """Drain the new journal entries, in order. The driver appends and syncs them, then calls one of the next two."""
        return self._barrier.entries_to_store()

    def entries_stored(self, count: int, *, now: float) -> None:
        """Note that the oldest `count` entries on their way are on the disk."""
        self._service.disk.is_full = False
        self._carry_out(self._barrier.stored(count), now)
        self._settle(now)

    def store_failed(
        self, reason: str, *, newest: int | None = None, is_full: bool = False, now: float
    ) -> None:
        """Note that the newest `newest` entries on their way (all, for None) were not stored. `reason` is for the log;
        `is_full`: whether the disk had no space left."""
        self._service.disk.is_full = is_full
        self._outputs.note(StoreFailed(reason=reason))
        self._carry_out(self._barrier.failed(newest), now)
        self._settle(now)

    # --- time

    def set_wall(self, wall: float, *, now: float) -> None:
        """Set the wall clock (Unix seconds). It stamps what is stored from now on, and moves no deadline."""
        self._clock.set(wall, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        for register, sender in self._register_queue.taken(now=now):
            self._register(register, sender, now)
        self._carry_out(self._service.handle_timer(now=now), now)
        self._links.handle_timer(now=now)
        self._sessions.table.handle_timer(now=now)
        self._settle(now)
        directory = self._service.directory
        payloads = self._broadcaster.handle_timer(audience=directory.online_count, now=now)
        addresses = directory.online_addresses() if payloads else []
        for payload in payloads:
            sealed = self._service.channel.group.key.seal(self._service.indices.own, payload)
            self._outputs.broadcasts.append((sealed, addresses))

    def next_timer(self) -> float:
        """Return when `handle_timer` is to be called next."""
        others = (
            self._links.next_timer(),
            self._broadcaster.next_timer(),
            self._sessions.table.next_timer(),
        )
        return min(
            self._register_queue.due,
            self._service.next_timer(),
            *(deadline for deadline in others if deadline is not None),
        )

    # --- out

    def take_output(self) -> Output:
        """Drain everything that the driver has to send, show or log."""
        return self._outputs.drain()

    def take_admin_answers(self) -> list[tuple[str, AdminAnswer]]:
        """Drain the answers to admin requests, by ticket."""
        answers, self._outputs.admin_answers = self._outputs.admin_answers, []
        return answers

    def _carry_out(self, effects: Iterable[Effect], now: float) -> None:
        """Carry out each effect by itself: a fault of ours in one must not cost the effects behind it, which may be of other
        people."""
        outputs = self._outputs
        for effect in effects:  # the most frequent first: each case costs an isinstance check
            try:
                match effect:
                    case Reply():
                        outputs.reply(effect.to, effect.message)
                    case StoreLetter():
                        if not self._barrier.add_letter(effect):
                            refused = LettersOutcome(letters=(effect,), is_stored=False)
                            self._carry_out(self._service.handle(refused, effect.to, now=now), now)
                    case Persist():
                        if at_once := self._barrier.add(effect):
                            self._carry_out(at_once, now)
                    case Resume():
                        self._carry_out(self._service.handle(effect.request, effect.to, now=now), now)
                    case Push():
                        outputs.push(effect.link, effect.message)
                    case Relay():
                        self._links.relay(effect.frame, sender=effect.sender)
                    case RelayTo():
                        self._links.relay_to(effect.frame, effect.links, sender=effect.sender)
                    case Offer():
                        outputs.offer(effect)
                    case Drop():
                        self.dropped[effect.reason] += 1
                    case _:
                        self._carry_out_rare(effect, now)
            except Exception as error:  # noqa: BLE001 - a fault of ours, whatever it is
                self._note_fault(error)

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
                self._service.liveness.check_alive(effect.identity, now=now)
            case SendDatagram():
                self._outputs.send_datagram(effect, now=now)
            case Admit():
                version, clock = self._service.directory.version, self._clock.millis(now)
                self._outputs.admit(effect, table_version=version, clock=clock, now=now)
            case Refuse():
                self._outputs.refuse(effect)
            case Note():
                self._outputs.note(effect.event)
            case Disconnect():
                self._links.end(effect.link, effect.reason)
            case ShowOnConsole():
                self._outputs.console_lines += effect.lines
            case AnswerAdmin():
                self._outputs.admin_answers.append((effect.ticket, effect.answer))
            case TellEverybody():
                self._outputs.tell_everybody(effect.message)
            case _:
                assert_never(effect)

    def _note_fault(self, error: Exception) -> None:
        self.dropped[DropReason.FAULT] += 1
        steps = traceback.extract_tb(error.__traceback__)
        places = tuple(f"{Path(step.filename).name}:{step.lineno}" for step in steps)
        self._outputs.note(Fault(reason=repr(error), places=places))

    def _settle(self, now: float) -> None:
        """Finish an input: the peers of links that we ended are away, and changes of the table are due for broadcast."""
        while ended := self._links.ended:  # handling one may end others
            self._links.ended = []
            for link, reason in ended:
                self._outputs.note(LinkEnded(address=link.remote, reason=reason))
                self._carry_out(self._service.link_lost(link.identity, link.number, now=now), now)
        self._broadcaster.check(now=now)
