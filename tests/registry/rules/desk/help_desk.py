"""A help desk played by hand: visitors, operators and the registry's own terminal, in virtual
time."""

from typing import TypeVar

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.wire.desk.focus import STILL_SERVED
from chatapp.wire.identity import Identity
from chatapp.wire.messages import desk as wire
from chatapp.wire.messages.link import RegistryNotice
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.support.memory_store import MemoryStore

Notice = TypeVar("Notice", bound=RegistryNotice)

PEERS = DeskSettings(operators=("Ann", "Bob"))


def duty(is_on: bool, queue: str, visit: int = 0) -> wire.DutyStatus:
    """What an operator is told of the duty."""
    return wire.DutyStatus(is_on, queue, visit, PEERS.files_largest)


"""A desk whose operators are peers."""


class HelpDesk:
    """One registry with a desk."""

    def __init__(
        self,
        settings: DeskSettings | None = None,
        *,
        store: MemoryStore | None = None,
        policy: RegistryPolicy | None = None,
        access: AccessSettings | None = None,
    ) -> None:
        self.settings = settings or DeskSettings()
        self.rig = Rig(store, desk=self.settings, policy=policy, access=access)

    # --- the terminal

    def open(self, *, is_terminal: bool = False) -> list[str]:
        """Attach the registry's console: a script's, or a terminal."""
        self.rig.core.console_opened(is_terminal=is_terminal, now=self.rig.now)
        return self.shown()

    def type(self, line: str) -> list[str]:
        """Type a line; returns the lines shown because of it."""
        self.shown()
        self.rig.core.console_typed(line, now=self.rig.now)
        return self.shown()

    def close(self) -> list[str]:
        self.rig.core.console_closed(now=self.rig.now)
        return self.shown()

    def shown(self) -> list[str]:
        """Drain the lines on the terminal."""
        self.rig.turn()
        lines, self.rig.console = self.rig.console, []
        return lines

    # --- people

    def visitor(
        self, name: str = "Asha Rao", *, host: str | None = None, gateway: Identity | None = None
    ) -> "Visitor":
        """Return a guest with a link, not in line."""
        peer = self.rig.peer("", host=host)
        peer.gateway = gateway
        peer.register()
        visitor = Visitor(
            self, peer, name, bytes([self.rig._made % 256]) * 8 + self.rig._made.to_bytes(8, "big")
        )
        visitor.connect()
        return visitor

    def joined(
        self, name: str = "Asha Rao", *, host: str | None = None, gateway: Identity | None = None
    ) -> "Visitor":
        """Return a visitor who has asked to join the line."""
        visitor = self.visitor(name, host=host, gateway=gateway)
        visitor.join()
        return visitor

    def line_of(self, *names: str) -> list["Visitor"]:
        return [self.joined(name) for name in names]

    def operator(self, name: str) -> "Worker":
        """Return a member who may be an operator, with a link."""
        peer = self.rig.peer(name)
        peer.register()
        worker = Worker(self, peer)
        worker.connect()
        return worker

    # --- time

    def advance(self, seconds: float) -> None:
        self.rig.advance(seconds)

    def restart(self, *, crash: bool = True) -> None:
        """Restart the registry; all links are lost."""
        self.rig.restart(crash=crash)


class Talker:
    """A visitor or operator with a link, who reads and confirms what the desk sends."""

    def __init__(self, help_desk: HelpDesk, peer: LinkedPeer) -> None:
        self.help_desk = help_desk
        self.peer = peer
        self.heard: list[RegistryNotice] = []
        self.lines: list[wire.DeskLine] = []
        self._shown: dict[int, int] = {}
        self._number = 0

    def connect(self) -> None:
        self.peer.connect()
        self.peer.open_session()
        self.heard = self.hear()

    def come_back(self) -> None:
        """Open a new session after a restart of the registry, or a new link."""
        self.peer.renew()
        self.peer.register()
        self.connect()

    def drop(self) -> None:
        """Lose the link."""
        self.peer.drop_link()

    def ask(self, request: wire.DeskRequest) -> None:
        self.peer.send(request)

    def hear(self) -> list[RegistryNotice]:
        """Drain all notices. Lines are shown once, and confirmed."""
        while notices := self.peer.notices() if self.peer.link is not None else []:
            self.heard += notices
            for notice in notices:
                self._take(notice)
        heard, self.heard = self.heard, []
        return heard

    def last(self, kind: type[Notice]) -> Notice:
        """Return the newest new notice of a kind."""
        return [notice for notice in self.hear() if isinstance(notice, kind)][-1]

    def _take(self, notice: RegistryNotice) -> None:
        if isinstance(notice, wire.DeskLine):
            self._hear_line(notice)

    def _hear_line(self, line: wire.DeskLine) -> None:
        if line.position > self._shown.get(line.visit, 0):
            self._shown[line.visit] = line.position
            self.lines.append(line)
        self.peer.send(wire.AckDeskLines(line.visit, line.position))

    @property
    def texts(self) -> list[str]:
        """Return the texts that they received."""
        self.hear()
        return [line.text for line in self.lines]


class Visitor(Talker):
    def __init__(self, help_desk: HelpDesk, peer: LinkedPeer, name: str, ticket: bytes) -> None:
        super().__init__(help_desk, peer)
        self.name = name
        self.ticket = ticket
        self.visit = 0
        self._last_shown: wire.DeskShown | None = None

    @property
    def last_shown(self) -> wire.DeskShown:
        """Return what the desk has shown on the newest link."""
        self.note()
        assert self._last_shown is not None
        return self._last_shown

    def _take(self, notice: RegistryNotice) -> None:
        super()._take(notice)
        if isinstance(notice, wire.DeskShown):
            self._last_shown = notice
        if isinstance(notice, wire.OperatorAssigned):
            self.peer.send(wire.AckDeskLines(notice.visit, self._shown.get(notice.visit, 0)))

    @property
    def shown(self) -> wire.DeskShown:
        return self.last(wire.DeskShown)

    def join(
        self, *, queue: str = "", number: str = "9876543210", issue: int = 1, reference: int = 5
    ) -> None:
        self.ask(wire.JoinDesk(reference, self.ticket, queue, self.name, number, issue))
        self.note()

    def come_back(self) -> None:
        super().come_back()
        self.ask(wire.ReturnToDesk(6, self.ticket, 0))
        self.note()

    def start_anew(self) -> None:
        """Restart their program, which then knows its ticket alone."""
        self.drop()
        self._shown, self.lines = {}, []
        super().come_back()
        self.ask(wire.ReturnToDesk(6, self.ticket, 0, with_own=True))
        self.note()

    def note(self) -> None:
        """Read the number of the visit from the notices, without draining them."""
        heard = self.hear()
        for notice in heard:
            if isinstance(notice, wire.PositionReported | wire.OperatorAssigned):
                self.visit = notice.visit
        self.heard = heard

    def say(self, text: str, *, number: int | None = None) -> None:
        self._number = number or self._number + 1
        self.ask(wire.SendDeskLine(self.visit, self._number, text))


class Worker(Talker):
    def __init__(self, help_desk: HelpDesk, peer: LinkedPeer) -> None:
        super().__init__(help_desk, peer)
        self._client = 0

    def _take(self, notice: RegistryNotice) -> None:
        super()._take(notice)
        if isinstance(notice, wire.ClientAssigned):
            self._client = notice.visit
            shown = self._shown.get(notice.visit, 0)
            self.peer.send(wire.FetchDeskLines(notice.visit, shown, with_own=not shown))
        elif isinstance(notice, wire.ClientChanged) and notice.change not in STILL_SERVED:
            self._client = 0

    def start_anew(self) -> None:
        """Restart their program, which then knows nothing."""
        self.drop()
        self._shown, self.lines, self._client = {}, [], 0
        self.come_back()

    @property
    def client(self) -> int:
        """Return their visit according to the notices; 0 for none. Drains nothing."""
        self.heard = self.hear()
        return self._client

    def say(self, visit: int, text: str, *, number: int | None = None) -> None:
        self._number = number or self._number + 1
        self.ask(wire.SendDeskLine(visit, self._number, text))
