"""T1: one person's status changes, or many people's do, and 10,000 people online are told by UDP. T2:
the same where each is told only of those whom they watch; T3 with 100,000.

The kernel stamps each datagram's arrival. Nobody reads during a broadcast, so that readers do not
slow the sender. A C program sends the same bytes to the same sockets.
"""

import gc
import select
import socket
import struct
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.crowd import Crowd
from bench.figures import LOWER, Figure
from bench.machine import Failed, Process, built, free_port, scratch
from bench.measures import Plan
from bench.members import Member
from bench.registry import RegistryProcess, Server
from chatapp.registry.edge.interest import PeopleIndex
from chatapp.wire.codec import encode
from chatapp.wire.messages.registration import Leave, Ping
from chatapp.wire.messages.table import Presence, Sight

ONLINE: Final = 10_000
CHANGING: Final = 8
"""People who come and go, one after the other."""
CHANGES: Final = 50
"""Changes a second when many come and go."""
_CHANGED: Final = 50
"""People who come and go where each is told of those whom it watches."""
WATCHED: Final = 20
"""How many of them everybody watches who comes in then."""
NEWCOMERS: Final = 70
MANY: Final = 100_000
SLICE: Final = 10_000
"""People who come in at once. They are light: nothing is left of them but their row."""
_BUSY_FOR: Final = 4.0
_DEAREST_ROUNDS: Final = 3
_CALM_WITHIN: Final = 60.0
"""Seconds within which everybody must have been told of everybody who came in."""

_STAMPED: Final = getattr(socket, "SO_TIMESTAMPNS", 35)
_SETTLED_AFTER: Final = 0.6
"""Seconds after which a change is complete: changes are gathered for 50 ms, and the last version is
announced again after 250 ms."""


class Ears:
    """Sockets whose datagrams are time-stamped by the kernel."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._poll = select.epoll()
        self._sockets = {sock.fileno(): sock for sock in sockets}
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, _STAMPED, 1)
            self._poll.register(sock.fileno(), select.EPOLLIN)

    def heard(self) -> dict[bytes, list[float]]:
        """Return when each distinct datagram arrived: seconds, one for each socket."""
        found: dict[bytes, list[float]] = defaultdict(list)
        while ready := self._poll.poll(0.05, 1_024):
            for fd, _ in ready:
                while (one := _received(self._sockets[fd])) is not None:
                    found[one[0]].append(one[1])
        return found


def _received(sock: socket.socket) -> tuple[bytes, float] | None:
    try:
        data, extra, _, _ = sock.recvmsg(2_048, 64)
    except BlockingIOError:
        return None
    for level, kind, stamp in extra:
        if level == socket.SOL_SOCKET and kind == _STAMPED:
            seconds, nanoseconds = struct.unpack("qq", stamp[:16])
            return data, seconds + nanoseconds / 1e9
    return data, 0.0


def spread(stamps: list[float]) -> float:
    """From the first arrival to the last, in milliseconds."""
    return (max(stamps) - min(stamps)) * 1e3


class Changing:
    """A person who comes and goes, without a link."""

    @property
    def identity(self) -> bytes:
        """Their identity key."""
        return self._member.card.identity

    def __init__(self, servers: Sequence[Server], index: int, counter: int) -> None:
        self._member = Member(index, counter=counter)
        self._crowd = Crowd(servers, [self._member])
        self._crowd.join(links=False)
        self._is_here = True

    def change(self) -> None:
        """Leave, or come back."""
        self._crowd.turn(0)
        frame = encode(Leave(reference=1) if self._is_here else Ping(reference=1))
        self._crowd.send(self._member, *self._member.seal(frame))
        self._is_here = not self._is_here

    def waits(self, span: float) -> float:
        """Ask for signs of life for so long; the longest wait for an answer, in milliseconds."""
        longest, ends = 0.0, time.monotonic() + span
        while time.monotonic() < ends:
            longest = max(longest, self.wait())
            time.sleep(0.0005)
        return longest

    def wait(self) -> float:
        """Ask for one sign of life; the wait for the answer, in milliseconds."""
        answers, start = self._answers, time.monotonic()
        self._crowd.send(self._member, *self._member.ping())
        while self._answers == answers and self._crowd.turn(1.0):
            pass  # what came is a broadcast
        return (time.monotonic() - start) * 1e3

    @property
    def _answers(self) -> int:
        return self._crowd.datagrams_heard - self._crowd.broadcasts_heard


class House:
    """A registry, many who are online, one who comes and goes, one who asks for signs of life, and
    C as the rival."""

    def __init__(self, online: int, changing: int, stack: ExitStack) -> None:
        """`changing`: people who come and go."""
        counter = time.time_ns() // 1_000_000
        self._stack = stack
        self._folder = stack.enter_context(scratch())
        self._registry = stack.enter_context(RegistryProcess(self._folder / "data"))
        members = (Member(index, counter=counter) for index in range(online))
        self._crowd = stack.enter_context(Crowd(self._registry.servers, members))
        self._crowd.join(links=False)
        servers = self._registry.servers
        self._changing = [Changing(servers, online + place, counter) for place in range(changing)]
        self._probe = Changing(servers, online + changing, counter)
        _ping_all(self._crowd)
        self._ears = Ears(self._crowd.sockets)
        self._sender: Process | None = None
        self._online = online
        self._be_calm()

    def _be_calm(self) -> None:
        """Wait until the registry has told everybody of those who came in: it sends 50,000
        datagrams a second at most, which is five broadcasts to 10,000 people."""
        began = time.monotonic()
        while True:
            time.sleep(2 * _SETTLED_AFTER)
            if not self._ears.heard():
                return
            if time.monotonic() - began > _CALM_WITHIN:
                raise Failed(f"the registry still tells of newcomers after {_CALM_WITHIN:.0f} s")

    def tell(self) -> tuple[bytes, float, float]:
        """Make one change. Return the time from the first arrival to the last, and the registry's
        CPU; both in ms."""
        before = self._registry.cpu()
        self._change()
        time.sleep(_SETTLED_AFTER)
        cpu = (self._registry.cpu() - before) / 2 * 1e3  # the change, and its version once more
        told = {
            data: stamps
            for data, stamps in self._ears.heard().items()
            if len(stamps) > self._online // 2
        }
        data = max(told, key=len, default=b"")
        if len(told) != 2 or len(told[data]) < self._online:
            counts = [len(one) for one in told.values()]
            raise Failed(f"{self._online} were to be told in 2 broadcasts: {counts}")
        return data, spread(told[data]), cpu

    def _change(self) -> None:
        """Change each person in turn: the changes of one person are announced at once a few times
        only (clause 3.3)."""
        somebody = self._changing.pop(0)
        somebody.change()
        self._changing.append(somebody)

    def tell_by_c(self, data: bytes) -> tuple[float, float]:
        """Send the same bytes to the same sockets. Return first arrival to last, and CPU; both in
        ms."""
        if self._sender is None:
            self._sender = self._stack.enter_context(
                _sender(data, self._crowd.addresses, self._folder)
            )
        found = self._sender.ask("now")
        return max(map(spread, self._ears.heard().values())), found["cpu"] * 1e3

    def storm(self, changes: int, span: float) -> tuple[float, float]:
        """So many changes in so many seconds, each of another person: the registry's share of a
        core until all are told, and the longest wait for an answer, in ms."""
        before, began, longest, made = self._registry.cpu(), time.monotonic(), 0.0, 0
        while (passed := time.monotonic() - began) < span:
            if made < changes * passed / span:
                self._change()
                made += 1
            longest = max(longest, self._probe.wait())
            time.sleep(0.0005)
        time.sleep(_SETTLED_AFTER)
        share = (self._registry.cpu() - before) / (time.monotonic() - began)
        self._ears.heard()
        return share, longest

    def waits(self) -> tuple[float, float]:
        """Return the longest wait for an answer without a broadcast, and during one; both in ms."""
        calm = self._probe.waits(_SETTLED_AFTER / 2)
        self._change()
        busy = self._probe.waits(_SETTLED_AFTER)
        self._ears.heard()
        return calm, busy


def t1(plan: Plan) -> Iterator[Figure]:
    """Measure T1."""
    online = ONLINE if not plan.is_quick else 1_000
    told: list[tuple[float, float]] = []
    by_c: list[tuple[float, float]] = []
    waits: list[tuple[float, float]] = []
    with ExitStack() as stack:
        house = House(online, CHANGING + int(CHANGES * _BUSY_FOR), stack)
        for _ in plan.rounds():
            data, first_to_last, cpu = house.tell()
            told.append((first_to_last, cpu))
            by_c.append(house.tell_by_c(data))
            waits.append(house.waits())
        storms = [
            house.storm(int(CHANGES * _BUSY_FOR), _BUSY_FOR) for _ in plan.rounds(_DEAREST_ROUNDS)
        ]
    calm = min(wait for wait, _ in waits)
    plan.side(
        "T1", **{"longest wait without a broadcast, ms": calm, "distinct datagrams a change": 2.0}
    )
    for place, what in enumerate(("first to last", "CPU a broadcast")):
        yield Figure(
            goal="T1",
            what=f"one change to {online:,} online, {what}",
            unit="ms",
            ours=[one[place] for one in told],
            against="C sendmmsg, same bytes",
            theirs=[one[place] for one in by_c],
            sense=LOWER,
            bound=1.25,
        )
    yield Figure(
        goal="T1",
        what="longest wait for an answer meanwhile",
        unit="ms",
        ours=[busy for _, busy in waits],
        sense=LOWER,
        bound=5.0,
        note=f"without a broadcast: {calm:.1f} ms",
    )
    what = f"{CHANGES} changes a second, {online:,} online"
    for about, unit, found, bound in (
        ("the registry's share of a core", "cores", [share for share, _ in storms], 1.0),
        ("longest wait for an answer meanwhile", "ms", [longest for _, longest in storms], 5.0),
    ):
        yield Figure(
            goal="T1",
            what=f"{what}: {about}",
            unit=unit,
            ours=found,
            sense=LOWER,
            bound=bound,
        )


def t2(plan: Plan) -> Iterator[Figure]:
    """Measure T2: each peer is told only of those whom it watches."""
    online = ONLINE if not plan.is_quick else 1_000
    yield from _by_interest("T2", plan, online, change=2.0)
    yield Figure(
        goal="T2",
        what="people found by key, name and sender index: memory a person",
        unit="bytes",
        ours=[_index_bytes(ONLINE)],
        sense=LOWER,
        bound=1_500.0,
    )


def t3(plan: Plan) -> Iterator[Figure]:
    """Measure T3: the same with very many people, who come in one slice after the other."""
    yield from _by_interest("T3", plan, MANY if not plan.is_quick else 10_000, change=1.0)


def _by_interest(goal: str, plan: Plan, online: int, *, change: float) -> Iterator[Figure]:
    """`change`: the milliseconds that a change may cost."""
    counter = time.time_ns() // 1_000_000
    changes: list[float] = []
    newcomers: list[tuple[float, float]] = []
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        registry = stack.enter_context(
            RegistryProcess(folder / "data", broadcast_up_to=min(online, ONLINE) // 2)
        )
        empty, spent = registry.memory(), registry.cpu()
        for begin in range(0, online, SLICE):
            around = [Member(one, counter=counter) for one in range(begin, begin + SLICE)]
            network = begin // SLICE
            with Crowd(
                registry.servers, around[: online - begin], sockets=200, network=network
            ) as crowd:
                crowd.join(links=False)
        joined = (registry.cpu() - spent) / online * 1e3
        person = (registry.memory() - empty) / online / 1_024
        changing = [Changing(registry.servers, online + one, counter) for one in range(_CHANGED)]
        first = online + _CHANGED
        for turn in plan.rounds():
            begin = first + turn * NEWCOMERS
            coming = [Member(one, counter=counter) for one in range(begin, begin + NEWCOMERS)]
            for member in coming:
                member.watches = [one.identity for one in changing][:WATCHED]
            crowd = stack.enter_context(Crowd(registry.servers, coming))
            before = registry.cpu()
            crowd.join()
            crowd.quiet()
            cpu = (registry.cpu() - before) / NEWCOMERS * 1e3
            size = sum(member.bytes_heard for member in coming) / NEWCOMERS / 1_024
            newcomers.append((cpu, size))
            before, heard = registry.cpu(), sum(member.changes_heard for member in coming)
            for somebody in changing:
                somebody.change()
            crowd.quiet()
            changes.append((registry.cpu() - before) / len(changing) * 1e3)
            if sum(member.changes_heard for member in coming) - heard < NEWCOMERS * WATCHED:
                raise Failed("somebody was not told of a change")
    plan.side(
        goal, **{"memory a light person, KiB": person, "CPU a light person's join, ms": joined}
    )
    what = f"by interest, {online:,} online"
    for about, unit, ours, bound in (
        (f"one change, which {NEWCOMERS} watch, CPU at the registry", "ms", changes, change),
        ("CPU at the registry a newcomer", "ms", [cpu for cpu, _ in newcomers], 2.0),
        ("a newcomer hears on the link", "KiB", [size for _, size in newcomers], 24.0),
    ):
        yield Figure(
            goal=goal, what=f"{what}: {about}", unit=unit, ours=ours, sense=LOWER, bound=bound
        )


def _index_bytes(people: int) -> float:
    """Return the memory that a person takes in the index of an edge, with what it tells of them."""
    gc.collect()
    tracemalloc.start()
    index = PeopleIndex()
    index.load(
        Sight(
            bytes(24) + number.to_bytes(8, "big"),
            f"member{number:05d}",
            "192.0.2." + str(number % 250),
            5_000 + number,
            Presence.ONLINE,
            1_800_000_000_000 + number,
            70_000 + number,
            1_800_000_000_000 + number,
            2**60 + number,
            "",
            None,
        )
        for number in range(people)
    )
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / people


def _ping_all(crowd: Crowd) -> None:
    """Renew all leases: they last 30 s, and the first people to register have used up part of
    theirs."""
    for place, member in enumerate(crowd.members):
        crowd.send(member, *member.ping())
        if place % 64 == 63:
            crowd.turn(0.02)
    crowd.quiet()


def _sender(data: bytes, addresses: list[tuple[str, int]], folder: Path) -> Process:
    (folder / "datagram").write_bytes(data)
    (folder / "addresses").write_text("".join(f"{host} {port}\n" for host, port in addresses))
    process = Process([built("tell"), str(free_port()), folder / "datagram", folder / "addresses"])
    process.line()
    return process
