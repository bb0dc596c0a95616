"""The registry as one machine: bytes, `now` and chance come in, bytes and one deadline go out.

It opens and seals, asks the service what to do, and carries that out into queues that the shell drains. What strangers
send is dropped and counted, never raised and, while they have proved nothing, never answered by more than they sent. It
cannot wait, open a file or look at a clock.
"""

from collections.abc import Sequence
from typing import Final

from chatapp.registry.access import AccessLists, AccessSettings
from chatapp.registry.desk.settings import DeskSettings
from chatapp.registry.effects import AdminRequest, Caller, NamesSkipped
from chatapp.registry.execution import Execution
from chatapp.registry.groups.rules import ReadLines
from chatapp.registry.limits import RegistryPolicy, WallClock
from chatapp.registry.mail import ReadLetters
from chatapp.registry.service import Rules, Service
from chatapp.registry.store.protocol import Loaded
from chatapp.registry.transport.admission import FairQueue, Gate
from chatapp.registry.transport.links import LinkState, PeerLink, cost_of_answers, cost_of_line
from chatapp.registry.transport.sessions import Randomness, Sessions
from chatapp.wire.address import Address, network_of
from chatapp.wire.codec import decode_frames, decode_request
from chatapp.wire.errors import DecodeError, SealError, WireError
from chatapp.wire.framing import Kind, unpack_group
from chatapp.wire.identity import Identity
from chatapp.wire.limits import NAMES_MAX, REGISTERS_WAITING_MAX, RENEWAL_COST
from chatapp.wire.messages.link import Attach
from chatapp.wire.messages.registration import Leave, Ping, Register

_OPENING: Final = bytes((Kind.OPENING,))
_GROUP: Final = bytes((Kind.GROUP,))
_RENEWAL: Final = bytes((Kind.RENEWAL,))


class LinkInputs(Execution):
    """Hears links."""

    def link_opened(self, link: int, remote: Address, *, now: float) -> None:
        """A connection. `link` is a number that the shell never uses again."""
        self._links.open(link, remote, now=now)
        self._settle(now)

    def receive_frames(self, link: int, frames: Sequence[bytes], *, now: float) -> None:
        """Whole frames of a link, in order. Never raises for what a stranger sent."""
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
                self._drop("malformed frame")
            except SealError:
                self._links.end(link, "a frame does not open")
        if not opened.is_over:
            if opened.state is LinkState.ATTACHED:
                self._service.heard_on_link(opened.identity, now=now)
            cost += cost_of_answers(opened.queued - queued, len(frames))
            self._links.note_frames(opened, cost, now=now)
        self._settle(now)

    def _receive_frame(self, link: PeerLink, frame: bytes, now: float) -> None:
        if link.state is LinkState.WAITING:
            self._attach(link, frame, now)
            return
        kind = frame[:1]
        if kind == _RENEWAL:
            self._links.renewal_came(link, frame)
            return
        caller = Caller(identity=link.identity, link=link.number)
        if kind == _GROUP:
            effects = self._service.speak(frame, unpack_group(frame), caller, now=now)
            self._carry_out(effects, now)
            return
        assert link.session is not None
        payload = link.session.open(frame)
        self._carry_out(self._service.handle(decode_request(payload), caller, now=now), now)

    def _attach(self, link: PeerLink, frame: bytes, now: float) -> None:
        """The first frame begins the link's session, and must carry an Attach (clause 9.1)."""
        try:
            if frame[:1] != _OPENING:
                raise SealError("no opening")
            identity, payload, session, answer = self._sessions.table.take_link(frame, now=now)
            request = decode_request(payload)
        except WireError:
            self._links.end(link.number, "first frame opens no session")
            return
        if not isinstance(request, Attach):
            self._links.end(link.number, "first frame is no attach")
            return
        is_guest = identity in self._service.desk.guests
        self._links.attach(link, session, identity, answer, is_guest=is_guest)
        caller = Caller(identity=identity, link=link.number)
        self._carry_out(self._service.handle(request, caller, now=now), now)

    def link_backlog(self, link: int, size: int) -> None:
        """So many bytes that were written to it wait for its reader. Said after each write that leaves some, then until none
        do."""
        self._links.note_backlog(link, size)

    def link_closed(self, link: int, *, now: float) -> None:
        """The connection is over, whoever ended it."""
        opened = self._links.forget(link)
        if opened is not None and opened.state is LinkState.ATTACHED:
            self._carry_out(self._service.link_lost(opened.identity, link, now=now), now)
            self._settle(now)


LINKS_MAX = 2 * NAMES_MAX
_SECRET_SIZE = 32


class RegistryCore(LinkInputs):
    """One registry: what comes in here and in `LinkInputs`, becomes something in `Execution`, and goes out in `Outputs`."""

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
        """`links_max`: connections that the machine can hold, less what else needs a descriptor."""
        policy = policy or RegistryPolicy()
        self._clock = WallClock(now=now, wall=wall)
        sessions = Sessions(identity, rng, policy, counter=self._clock.millis(now))
        rules = Rules(
            loaded=loaded,
            clock=self._clock,
            policy=policy,
            rng=rng,
            read_letters=read_letters,
            read_lines=read_lines,
            now=now,
            desk=desk,
            access=access,
        )
        service = Service(rules, policy, now=now)
        super().__init__(identity, sessions, service, policy, link_port=link_port, links_max=links_max)
        self.operators: Final = rules.operators
        self.operators.draw_codes(identity.public, rng)
        self._gate = Gate(identity, secret=rng.randbytes(_SECRET_SIZE), window=policy.cookie_window)
        self._register_queue: FairQueue[tuple[Register, Address]] = FairQueue(
            most=REGISTERS_WAITING_MAX, now=now
        )
        if rules.unreadable_names:
            self._note(NamesSkipped(count=rules.unreadable_names))
        self._carry_out(self._service.start(), now)

    def set_wall(self, wall: float, *, now: float) -> None:
        """What the wall clock shows (Unix seconds): it stamps what is stored from now on, and moves no deadline."""
        self._clock.set(wall, now=now)

    def run_admin_request(self, request: AdminRequest, ticket: str, *, now: float) -> None:
        """Whoever runs the registry asks; one of `answers` follows."""
        self._carry_out(self._service.admin.run(request, ticket, now=now), now)
        self._settle(now)

    def change_lists(self, lists: AccessLists, *, now: float) -> int:
        """Who may come in, and who may not, has been decided anew; how many of those who are here have to go."""
        count, effects = self._service.change_lists(lists, now=now)
        self._carry_out(effects, now)
        self._settle(now)
        return count

    # --- datagrams in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Never raises for what a stranger sent."""
        kind = data[0] if data else 0
        try:
            if kind in (Kind.SEALED, Kind.OPENING, Kind.ANSWER):
                self._open_sealed(data, sender, now)
            elif kind == Kind.HELLO:
                answer = self._gate.answer_hello(data, sender, card=self._sessions.card, now=now)
                if answer is None:
                    self._drop("another version")
                else:
                    self._datagrams.append((answer, sender))
            elif kind == Kind.REGISTER:
                self._register(data, sender, now)
            else:
                self._drop("unknown kind of datagram")
        except DecodeError:
            self._drop("malformed datagram")
        except SealError:
            self._drop("datagram does not open")

    def _register(self, data: bytes, sender: Address, now: float) -> None:
        register = self._gate.screen(data, sender, now=now)
        if isinstance(register, str):
            self._drop(register)
        elif self._register_queue.is_free(now=now):
            self._look_at(register, sender, now)
        elif not self._register_queue.join(network_of(sender.host), (register, sender), now=now):
            self._drop("too many registrations wait")

    def _look_at(self, register: Register, sender: Address, now: float) -> None:
        flaw = self._gate.flaw_of(register)
        if flaw:
            self._drop(flaw)
            return
        caller = Caller(identity=register.card.identity, address=sender)
        self._carry_out(self._service.handle(register, caller, now=now), now)
        self._settle(now)

    def _open_sealed(self, data: bytes, sender: Address, now: float) -> None:
        table = self._sessions.table
        if table.author_of(data) is None:
            self._drop("datagram of no session")
            return
        opened = table.open(data, now=now)
        if opened.answer is not None:
            self._datagrams.append((opened.answer, sender))
        if not opened.payload:
            return
        frames = [frame for frame in decode_frames(opened.payload) if isinstance(frame, Ping | Leave)]
        if not frames:
            self._drop("no frame for a registry")
            return
        caller = Caller(
            identity=opened.identity, address=sender, session=opened.session, is_newest=opened.is_newest
        )
        # One answer a datagram, so that nobody makes us send more than they do.
        self._carry_out(self._service.handle(frames[-1], caller, now=now), now)
        self._settle(now)

    # --- the registry's own terminal

    def console_opened(self, *, now: float) -> None:
        """Somebody may type."""
        self._carry_out(self._service.desk.terminal.opened(now=now), now)
        self._settle(now)

    def console_typed(self, line: str, *, now: float) -> None:
        """A line that was typed."""
        self._carry_out(self._service.desk.terminal.typed(line, now=now), now)
        self._settle(now)

    def console_closed(self, *, now: float) -> None:
        """Nobody types any more."""
        self._carry_out(self._service.desk.terminal.closed(now=now), now)
        self._settle(now)

    # --- time

    def handle_timer(self, *, now: float) -> None:
        """Do what is due. Early and late calls are harmless."""
        for register, sender in self._register_queue.taken(now=now):
            self._look_at(register, sender, now)
        self._carry_out(self._service.handle_timer(now=now), now)
        self._links.handle_timer(now=now)
        self._sessions.table.handle_timer(now=now)
        self._settle(now)
        directory = self._service.directory
        payloads = self._news.handle_timer(audience=directory.online_count, now=now)
        addresses = directory.online_addresses() if payloads else []
        for payload in payloads:
            self._broadcasts.append((self._service.channel.group.key.seal(0, payload), addresses))

    def next_timer(self) -> float:
        """The one deadline."""
        others = (self._links.next_timer(), self._news.next_timer(), self._sessions.table.next_timer())
        return min(
            self._register_queue.due,
            self._service.next_timer(),
            *(deadline for deadline in others if deadline is not None),
        )
