"""This file is about the registry as one machine: bytes, `now` and chance come in, bytes and one deadline go out.

It opens and seals, asks the service what to do, and carries that out into queues that the shell drains. What strangers
send is dropped and counted, never raised and, while they have proved nothing, never answered by more than they sent.
It cannot wait, open a file or look at a clock.
"""

from collections.abc import Sequence

from registry.admission import Gate
from registry.clock import WallClock
from registry.desk.settings import DeskSettings
from registry.doors import DoorSettings
from registry.effects import Caller
from registry.errands import Errand
from registry.events import LiveKeyRenewed, NamesPassedOver
from registry.execution import Execution
from registry.grouprules import ReadLines
from registry.links import Link, LinkState
from registry.mailroom import ReadLetters
from registry.policy import Policy
from registry.rules import Rules
from registry.service import Service
from registry.sessions import Randomness, Sessions
from registry.store.protocol import Loaded
from wire.address import Address
from wire.codec import decode_frames, decode_request, encode
from wire.errors import DecodeError, SealError
from wire.header import TAG_SIZE, Kind, unpack_group, unpack_sealed
from wire.identity import Identity
from wire.limits import NAMES_MAX
from wire.messages.link import Attach, RegistryCard
from wire.messages.presence import Leave, Ping

LINKS_MAX = 2 * NAMES_MAX
_RANDOM_SIZE = 16
_SECRET_SIZE = 32
_GROUP = bytes((Kind.GROUP,))


class RegistryCore(Execution):
    """One registry: what comes in here, what becomes of it in `Execution`, what goes out in `Outputs`."""

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
        self._rng = rng
        self._clock = WallClock(now=now, wall=wall)
        sessions = Sessions(identity, rng, policy, counter=self._clock.millis(now), now=now)
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
        self._gate = Gate(identity, secret=rng.randbytes(_SECRET_SIZE), window=policy.cookie_window)
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

    # --- datagrams in

    def receive_datagram(self, data: bytes, sender: Address, *, now: float) -> None:
        """Never raises for what a stranger sent."""
        kind = data[0] if data else 0
        try:
            if kind == Kind.SEALED:
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
        register = self._gate.admit(data, sender, now=now)
        if isinstance(register, str):
            self._drop(register)
            return
        caller = Caller(identity=register.card.identity, address=sender)
        self._carry_out(self._service.handle(register, caller, now=now), now)
        self._settle(now)

    def _open_sealed(self, data: bytes, sender: Address, now: float) -> None:
        header = unpack_sealed(data)
        channel = self._sessions.find(header.tag)
        if channel is None:
            self._drop("datagram of no session")
            return
        payload = channel.session().open_parts(header, data)
        is_newest = channel.is_current and header.counter > channel.newest
        channel.newest = max(channel.newest, header.counter)
        frames = [frame for frame in decode_frames(payload) if isinstance(frame, Ping | Leave)]
        if not frames:
            self._drop("no frame for a registry")
            return
        caller = Caller(identity=channel.identity, address=sender, tag=header.tag, is_newest=is_newest)
        # One answer a datagram, so that nobody makes us send more than they do.
        self._carry_out(self._service.handle(frames[-1], caller, now=now), now)
        self._settle(now)

    # --- links in

    def link_opened(self, link: int, remote: Address, *, now: float) -> None:
        """A connection. `link` is a number that the shell never uses again."""
        self._links.open(link, remote, now=now)
        self._settle(now)

    def link_greeted(self, link: int, greeting: bytes, *, now: float) -> None:
        """Its first `GREETING_SIZE` bytes: a session's tag and the peer's random bytes (clause 9.1)."""
        opened = self._links.find(link)
        if opened is None or opened.state is not LinkState.WAITING:
            return
        channel = self._sessions.find(greeting[:TAG_SIZE])
        if channel is None:
            self._links.end(link, "greeting of no session")
            self._settle(now)
            return
        ours = self._rng.randbytes(_RANDOM_SIZE)
        try:
            cipher = channel.session().link_cipher(ours, greeting[TAG_SIZE:], is_peer=False)
        except SealError:
            self._links.end(link, "live key is no good")
            self._settle(now)
            return
        self._links.greet(opened, cipher, channel.identity, ours)

    def receive_frames(self, link: int, frames: Sequence[bytes], *, now: float) -> None:
        """Whole frames of a link, in order. Never raises for what a stranger sent."""
        opened = self._links.find(link)
        if opened is None:
            return
        for frame in frames:
            if opened.is_over:
                break
            try:
                self._receive_frame(opened, frame, now)
            except DecodeError:
                self._drop("malformed frame")
            except SealError:
                self._links.end(link, "a frame does not open")
        self._links.note_frames(opened, len(frames), now=now)
        self._settle(now)

    def _receive_frame(self, link: Link, frame: bytes, now: float) -> None:
        caller = Caller(identity=link.identity, link=link.number)
        if link.state is LinkState.ATTACHED and frame[:1] == _GROUP:
            effects = self._service.speak(frame, unpack_group(frame), caller, now=now)
            self._carry_out(effects, now)
            return
        if link.cipher is None:
            raise SealError("a frame before the greeting")
        payload = link.cipher.open(frame)
        if link.state is LinkState.GREETED:
            self._attach(link, payload, caller, now)
            return
        self._carry_out(self._service.handle(decode_request(payload), caller, now=now), now)

    def _attach(self, link: Link, payload: bytes, caller: Caller, now: float) -> None:
        """The first frame opened. What else it may be, it must be an Attach."""
        try:
            request = decode_request(payload)
        except DecodeError:
            request = None
        if not isinstance(request, Attach):
            self._links.end(link.number, "first frame is no attach")
            return
        is_guest = link.identity in self._service.desk.guests
        self._links.attach(link, is_guest=is_guest, now=now)
        self._carry_out(self._service.handle(request, caller, now=now), now)

    def link_closed(self, link: int, *, now: float) -> None:
        """The connection is over, whoever ended it."""
        opened = self._links.forget(link)
        if opened is not None and opened.state is LinkState.ATTACHED:
            self._carry_out(self._service.link_lost(opened.identity, link, now=now), now)
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
        self._carry_out(self._service.handle_timer(now=now), now)
        self._links.handle_timer(now=now)
        if self._sessions.handle_timer(online=self._service.sealed, counter=self._clock.millis(now), now=now):
            self._note(LiveKeyRenewed())
            card = encode(RegistryCard(self._sessions.card))
            for link in self._links.attached():
                self._links.send(link, card)
        self._settle(now)
        directory = self._service.directory
        payloads = self._news.handle_timer(audience=directory.online_count, now=now)
        addresses = directory.online_addresses() if payloads else []
        for payload in payloads:
            self._broadcasts.append((self._service.channel.group.key.seal(0, payload), addresses))

    def next_timer(self) -> float:
        """The one deadline."""
        others = (self._links.next_timer(), self._news.next_timer())
        return min(
            self._service.next_timer(),
            self._sessions.next_timer(),
            *(deadline for deadline in others if deadline is not None),
        )
