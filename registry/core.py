"""This file is about the registry as one machine: bytes, `now` and chance come in, bytes and one deadline go out.

It opens and seals, asks the service what to do, and carries that out into queues that the shell drains. What strangers
send is dropped and counted, never raised and, while they have proved nothing, never answered by more than they sent.
It cannot wait, open a file or look at a clock.
"""

from typing import Final

from registry.admission import Gate
from registry.clock import WallClock
from registry.desk.settings import DeskSettings
from registry.doors import DoorLists, DoorSettings
from registry.effects import Caller
from registry.errands import Errand
from registry.events import NamesPassedOver
from registry.grouprules import ReadLines
from registry.linkinputs import LinkInputs
from registry.mailroom import ReadLetters
from registry.policy import Policy
from registry.rules import Rules
from registry.service import Service
from registry.sessions import Randomness, Sessions
from registry.store.protocol import Loaded
from registry.turns import Turns
from wire.address import Address, network_of
from wire.codec import decode_frames
from wire.errors import DecodeError, SealError
from wire.header import Kind
from wire.identity import Identity
from wire.limits import NAMES_MAX, REGISTERS_WAITING_MAX
from wire.messages.presence import Leave, Ping
from wire.messages.registration import Register

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
        policy: Policy | None = None,
        links_max: int = LINKS_MAX,
        desk: DeskSettings | None = None,
        doors: DoorSettings | None = None,
    ) -> None:
        """`links_max`: connections that the machine can hold, less what else needs a descriptor."""
        policy = policy or Policy()
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
            doors=doors,
        )
        service = Service(rules, policy, now=now)
        super().__init__(identity, sessions, service, policy, link_port=link_port, links_max=links_max)
        self.operators: Final = rules.operators
        self.operators.draw_codes(identity.public, rng)
        self._gate = Gate(identity, secret=rng.randbytes(_SECRET_SIZE), window=policy.cookie_window)
        self._turns: Turns[tuple[Register, Address]] = Turns(most=REGISTERS_WAITING_MAX, now=now)
        if rules.unreadable_names:
            self._note(NamesPassedOver(count=rules.unreadable_names))
        self._carry_out(self._service.start(), now)

    def set_wall(self, wall: float, *, now: float) -> None:
        """What the wall clock shows (Unix seconds): it stamps what is stored from now on, and moves no deadline."""
        self._clock.set(wall, now=now)

    def run_errand(self, errand: Errand, ticket: str, *, now: float) -> None:
        """Whoever runs the registry asks; one of `answers` follows."""
        self._carry_out(self._service.office.run(errand, ticket, now=now), now)
        self._settle(now)

    def change_lists(self, lists: DoorLists, *, now: float) -> int:
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
        elif self._turns.is_free(now=now):
            self._look_at(register, sender, now)
        elif not self._turns.join(network_of(sender.host), (register, sender), now=now):
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
        for register, sender in self._turns.taken(now=now):
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
            self._turns.due,
            self._service.next_timer(),
            *(deadline for deadline in others if deadline is not None),
        )
