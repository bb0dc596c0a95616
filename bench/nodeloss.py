"""N2: how soon the people of a cluster have links elsewhere when a node is killed.

Three nats-servers, three nodes and 900 simulated people on this machine, 300 at each node. First a
node is killed that only serves, then, when it is back, the one that keeps the state.

A simulated person looks for servers, registers and tries again as a peer does: with the peer's own
state machine (`peer.core.registry.session`). Then it opens its link and fetches the table. It has
no disk, no conversations, and does not look into rows, so that one processor carries 900 of them.
"""

import hashlib
import os
import random
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, Self

from bench.clustermail import nats_servers
from bench.figures import LOWER, Figure, middle
from bench.machine import Failed, Process, scratch
from bench.measures import Plan
from bench.members import host_of
from bench.nodes import cluster_of
from bench.registry import Registries, RegistryProcess
from bench.rivals import Absent
from chatapp.peer.core.context import Context, LocalIdentity
from chatapp.peer.core.registry.session import Notice, RegistrySession
from chatapp.wire.address import Address
from chatapp.wire.codec import FrameReader, Kind, decode_notice, decode_row, encode, frame
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.errors import WireError
from chatapp.wire.identity import AgreementKey, Identity
from chatapp.wire.limits import CUT_SIZE, LINK_FRAME_MAX
from chatapp.wire.messages.link import AttachAgain, PeerRequest
from chatapp.wire.messages.rooms import GroupGranted
from chatapp.wire.messages.table import ONLINE, FetchTable, RosterPage, TablePage
from chatapp.wire.roster import KEY_SIZE, entries_of
from chatapp.wire.sessions.link import LinkOpening, LinkSession

NODES: Final = 3
AT_EACH: Final = 300
WITHIN: Final = 10.0
_COMING: Final = 60
"""People who come in at a time before the measurement."""
_TIMERS_SPAN: Final = 0.02
"""Seconds between two looks at everybody's timers."""
_PATIENCE: Final = 180.0
_READ: Final = 1 << 18


class Traveller:
    """One simulated person, who is at one of several servers."""

    def __init__(self, index: int, servers: Sequence[Address], *, counter: int) -> None:
        seed = hashlib.blake2s(index.to_bytes(8, "big"), person=b"bench").digest()
        self.identity: Final = Identity(seed)
        self.host: Final = host_of(index)
        first = index % len(servers)
        me = LocalIdentity(
            name=f"member{index:05d}",
            identity=self.identity,
            mail_keys=[AgreementKey(seed)],
            counter=counter,
        )
        self.registration: Final = RegistrySession(
            Context(me, policy=Policy(), rng=random.Random(index), wall_offset=0.0),
            addresses=[*servers[first:], *servers[:first]],
            pinned=None,
        )
        self.registration.use_card(me.card, first_opening=counter << 20)
        self.udp: Final = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setblocking(False)
        self.udp.bind((self.host, 0))
        self.link: socket.socket | None = None
        self.online: dict[bytes, bool] | None = None
        """Who is online by the beginnings of their keys, for the person who looks into rows."""
        self.version = self.sender_index = self.rows_fetched = 0
        self.is_in = False
        """Whether the link is attached, and the whole table was fetched over it."""
        self._begun: LinkOpening | None = None
        self._sealer: LinkSession | None = None
        self._reader = FrameReader()

    @property
    def node(self) -> Address:
        """The server in use."""
        return self.registration.address

    # --- registration

    def carry_out(self) -> bool:
        """Send what the registration has to say. Return whether a link is to be opened."""
        for data, to in self.registration.datagrams_to_send():
            with suppress(OSError):  # the node is dead, which counts as lost
                self.udp.sendto(data, to)
        self.registration.sealed_questions()
        notices = self.registration.notices()
        if Notice.DENIED in notices:
            raise Failed(f"the registry refuses a member: {self.registration.denied}")
        return Notice.WELCOMED in notices

    def read_datagrams(self, *, now: float) -> None:
        """Read what came by UDP. Broadcasts of the table are left aside: it is fetched."""
        for _ in range(64):
            try:
                data, (host, port) = self.udp.recvfrom(2_048)
            except BlockingIOError:
                return
            except OSError:
                continue  # an answer of the system to a datagram for a dead node
            if data[0] != Kind.GROUP:
                with suppress(WireError):
                    self.registration.receive_datagram(data, Address(host, port), now=now)

    # --- the link

    def connect(self, *, now: float) -> socket.socket | None:
        """Open the link; None if the node takes none."""
        self.drop_link()
        link = socket.socket()
        try:
            link.bind((self.host, 0))
            link.settimeout(1.0)
            link.connect(self.node)
            self.registration.table_version = self.version
            first, self._begun = self.registration.open_link(self.sender_index, now=now)
            link.sendall(frame(first))
        except OSError:
            link.close()
            return None
        link.setblocking(False)
        self.link, self._sealer, self._reader = link, None, FrameReader()
        self._reader.largest = LINK_FRAME_MAX
        return link

    def drop_link(self) -> None:
        """Close the link, if there is one."""
        if self.link is not None:
            self.link.close()
        self.link, self.is_in = None, False

    def fetch(self) -> None:
        """Ask for what has changed in the table."""
        self._request(FetchTable(since=self.version))

    def read_link(self) -> None:
        """Read what came on the link. Raises OSError when it is over."""
        assert self.link is not None
        try:
            data = self.link.recv(_READ)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionError("the node closed the link")
        self._reader.feed(data)
        while (whole := self._reader.next_frame()) is not None:
            if self._sealer is None:
                assert self._begun is not None
                self._sealer, self._begun = self._begun.answered(whole), None
            elif whole[0] != Kind.GROUP_RELAYED:
                notice = decode_notice(self._sealer.open(whole))
                if isinstance(notice, TablePage | RosterPage):
                    self._take(notice)
                elif isinstance(notice, AttachAgain):
                    self.is_in, self.registration.table_version = False, self.version
                    self._request(self.registration.attachment(self.sender_index))
                elif isinstance(notice, GroupGranted) and not self.is_in:
                    self._granted(notice.sender_index)

    def _granted(self, sender_index: int) -> None:
        if self.sender_index not in (0, sender_index):
            self.version = 0
        self.sender_index = sender_index
        self.fetch()

    def _request(self, asked: PeerRequest) -> None:
        if self.link is not None and self._sealer is not None:
            self.link.send(frame(self._sealer.seal(encode(asked))))

    def _take(self, page: TablePage | RosterPage) -> None:
        self.version = max(self.version, page.version)
        if isinstance(page, TablePage):
            self.rows_fetched += len(page.rows)
            rows = map(decode_row, page.rows) if self.online is not None else ()
            shown = [(row.card.identity, row.online) for row in rows]
        else:
            self.rows_fetched += len(page.keys) // KEY_SIZE + len(page.cuts) // CUT_SIZE
            both = entries_of(page) if self.online is not None else ()
            shown = [(entry.key, entry.presence in ONLINE) for some in both for entry in some]
        if self.online is not None:
            self.online |= {key[:CUT_SIZE]: is_online for key, is_online in shown}
        if page.more:
            self.fetch()
        else:
            self.is_in = True


class Travellers:
    """All people of a cluster, in one process. Use it as a context."""

    def __init__(self, people: Sequence[Traveller]) -> None:
        self.people: Final = people
        self._poll = select.epoll()
        self._readers: dict[int, Callable[[float], None]] = {}
        self._timers_at = 0.0
        self.witness: Final = people[0]
        self.witness.online = {}
        for one in people:
            self._watch(one.udp, lambda now, one=one: self._datagrams_came(one, now))  # type: ignore[misc]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.people:
            one.drop_link()
            one.udp.close()
        self._poll.close()

    def come_in(self) -> None:
        """Let everybody register and open a link."""
        deadline = time.monotonic() + _PATIENCE
        waiting = list(self.people)
        while waiting:
            some, waiting = waiting[:_COMING], waiting[_COMING:]
            for one in some:
                one.registration.start(table_version=0, now=time.monotonic())
                self._carry_out(one, time.monotonic())
            self.wait_until(lambda some=some: all(one.is_in for one in some), deadline)  # type: ignore[misc]

    def catch_up(self) -> None:
        """Let everybody fetch what has changed until now."""
        for one in self.people:
            one.is_in = False
            one.fetch()
        self.wait_until(lambda: all(one.is_in for one in self.people), time.monotonic() + _PATIENCE)

    def wait_until(self, holds: Callable[[], bool], deadline: float) -> None:
        """Serve everybody until something holds. Raises Failed after the deadline."""
        while not holds():
            now = time.monotonic()
            if now > deadline:
                raise Failed(f"{sum(not one.is_in for one in self.people)} members have no link")
            self._turn(now)

    def returned(self, lost: Address, began: float) -> list[float]:
        """Wait until everybody is attached, and not at the lost node. Return after how many seconds
        each of those was who was not all the time."""
        took: dict[int, float] = {}
        away: set[int] = set()

        def is_over() -> bool:
            now = time.monotonic() - began
            for place, one in enumerate(self.people):
                if not one.is_in or one.node == lost:
                    away.add(place)
                    took.pop(place, None)  # the link did not last
                elif place in away:
                    took.setdefault(place, now)
            return bool(away) and len(took) == len(away)

        self.wait_until(is_over, began + _PATIENCE)
        return list(took.values())

    def whole_table(self, began: float) -> float:
        """Wait until the table shows everybody online. Return the seconds since `began`."""
        online = self.witness.online
        assert online is not None
        asked_at = 0.0

        def is_whole() -> bool:
            nonlocal asked_at
            if (now := time.monotonic()) >= asked_at + 0.1:
                asked_at = now
                self.witness.fetch()
            return sum(online.values()) == len(self.people)

        self.wait_until(is_whole, began + _PATIENCE)
        return time.monotonic() - began

    # --- inside

    def _turn(self, now: float) -> None:
        for fd, _ in self._poll.poll(_TIMERS_SPAN, 512):
            if (read := self._readers.get(fd)) is not None:
                read(now)
        if now >= self._timers_at:
            self._timers_at = now + _TIMERS_SPAN
            for one in self.people:
                due = one.registration.next_timer()
                if due is not None and due <= now:
                    one.registration.handle_timer(now=now)
                    self._carry_out(one, now)

    def _watch(self, sock: socket.socket, read: Callable[[float], None]) -> None:
        self._readers[sock.fileno()] = read
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def _datagrams_came(self, one: Traveller, now: float) -> None:
        one.read_datagrams(now=now)
        self._carry_out(one, now)

    def _carry_out(self, one: Traveller, now: float) -> None:
        if one.carry_out():
            link = one.connect(now=now)
            if link is not None:
                self._watch(link, lambda now: self._link_came(one, link, now))
            else:
                self._lost(one, now, is_unusable=True)

    def _link_came(self, one: Traveller, link: socket.socket, now: float) -> None:
        if one.link is not link:
            return
        try:
            one.read_link()
        except (OSError, WireError):
            is_unusable = not one.is_in
            one.drop_link()
            self._lost(one, now, is_unusable=is_unusable)

    def _lost(self, one: Traveller, now: float, *, is_unusable: bool) -> None:
        one.registration.note_silence(is_unusable=is_unusable, now=now)
        self._carry_out(one, now)


class _Loss:
    """What followed the loss of one node, over all rounds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.slowest: list[float] = []
        self._medians: list[float] = []
        self._whole: list[float] = []
        self._cost: list[float] = []
        self._rows: list[float] = []
        self._kept: list[float] = []

    def kill(self, process: RegistryProcess, left: Sequence[Process], people: Travellers) -> None:
        """Kill a node, and wait until everybody is elsewhere."""
        people.catch_up()
        began, before = time.monotonic(), sum(one.cpu() for one in left)
        fetched = [one.rows_fetched for one in people.people]
        links = [one.link for one in people.people]
        os.kill(process.pid, signal.SIGKILL)
        took = people.returned(Address(*process.servers[0]), began)
        self.slowest.append(max(took))
        self._medians.append(middle(took))
        self._cost.append((sum(one.cpu() for one in left) - before) / len(took) * 1e3)
        self._kept.append(
            sum(one.link is was for one, was in zip(people.people, links, strict=True))
        )
        self._whole.append(people.whole_table(began))
        self._rows.append(
            max(one.rows_fetched - was for one, was in zip(people.people, fetched, strict=True))
        )

    def figure(self, plan: Plan) -> Figure:
        """Return the figure, and record others beside the table."""
        plan.side(
            f"N2 {self._what} killed",
            **{
                "half have links after s": middle(self._medians),
                "table shows everybody after s": middle(self._whole),
                "ms of CPU at the other nodes for each": middle(self._cost),
                "rows fetched by one": middle(self._rows),
                "links that stayed": middle(self._kept),
            },
        )
        return Figure(
            goal="N2",
            what=f"{NODES} nodes with {AT_EACH} people each, {self._what} killed: the last one has a link elsewhere",
            unit="s",
            ours=self.slowest,
            sense=LOWER,
            bound=WITHIN,
        )


@contextmanager
def _cluster() -> Iterator[tuple[Registries, Travellers]]:
    """Start nodes, and let people come in. The first node keeps the state."""
    with ExitStack() as stack:
        urls, servers = stack.enter_context(nats_servers())
        nodes = stack.enter_context(
            cluster_of(NODES, stack.enter_context(scratch()), urls, servers)
        )
        places = [Address(*server) for server in nodes.servers]
        counter = time.time_ns() // 1_000_000
        people = [Traveller(index, places, counter=counter) for index in range(NODES * AT_EACH)]
        crowd = stack.enter_context(Travellers(people))
        crowd.come_in()
        yield nodes, crowd


def n2(plan: Plan) -> Iterator[Figure]:
    """Measure N2."""
    edge, keeper = _Loss("a node that only serves"), _Loss("the node that keeps the state")
    try:
        for _ in plan.rounds(3):
            with _cluster() as (nodes, people):
                first, other, last = nodes.processes
                people.whole_table(time.monotonic())
                edge.kill(last, (first, other), people)
                again = nodes.start_again(last)
                keeper.kill(first, (other, again), people)
    except Absent as absence:
        plan.skip(f"N2: {absence}")
        return
    yield edge.figure(plan)
    yield keeper.figure(plan)
