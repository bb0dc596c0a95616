"""What a registry needs for so many people who chat at a stated rate: memory, processor, network and disk.

python -m bench.sizing [--sizes 10,100,1000,10000] [--json FILE] [--into FILE.md]

Real sockets and the real program; the people are simulated. Each size takes as long as its people need to come in, and
`SPAN` seconds more.
"""

import argparse
import heapq
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.crowd import Crowd
from bench.document import put_section
from bench.figures import short
from bench.machine import Failed, allow_descriptors, described, scratch
from bench.members import Member
from bench.presence import Changing
from bench.registry import RegistryProcess
from chatapp.wire.codec import encode
from chatapp.wire.framing import frame
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.rooms import CHANNEL, EnterRoom, GroupBody, GroupGranted
from chatapp.wire.sealing import GroupKey

SIZES: Final = (10, 100, 1_000, 10_000)
ROOM: Final = 20
"""People in a room."""
LINES_AN_HOUR: Final = 60
"""What each writes in the room."""
CHANGES_AN_HOUR: Final = 1
"""How often each goes, and comes back: everybody is told of both."""
_TEXT: Final = "x" * 100
_PING_SPAN: Final = 10.0
"""Seconds between two signs of life of a peer."""
SPAN: Final = 20.0
"""Seconds of chat that are measured."""
_WARM_UP: Final = 5.0
_HEARD_LEAST: Final = 0.97
"""The share of deliveries that must have arrived when the time is over; the last ones are still under way."""
_SETTLED_WITHIN: Final = 60.0

Deed = Callable[[], None]


class Talker(Member):
    """A simulated peer in a room, who counts what comes in."""

    def __init__(self, index: int, *, counter: int) -> None:
        super().__init__(index, counter=counter)
        self.room: GroupGranted | None = None
        self._key: GroupKey | None = None
        self._number = time.time_ns() // 1_000

    def enter(self) -> None:
        """Go to the room of twenty that the index says."""
        self.request(EnterRoom(reference=1, room=f"room{self.index // ROOM:04d}"))

    def line(self) -> bytes:
        """The next line of the room, sealed."""
        assert self.room is not None
        if self._key is None:
            self._key = GroupKey(self.room.group, epoch=self.room.epoch, key=self.room.key)
        self._number += 1
        body = GroupBody(self._number, self._number, self._number // 1_000, _TEXT)
        return frame(self._key.seal(self.room.sender_index, encode(body)))

    def _take(self, notice: RegistryNotice, size: int) -> None:
        if isinstance(notice, GroupGranted) and notice.group != CHANNEL:
            self.room, self._key = notice, None
        super()._take(notice, size)


class Town:
    """A crowd that chats: what each does is in one timetable, spread evenly over time."""

    def __init__(self, crowd: Crowd, people: list[Talker], changing: Changing) -> None:
        self.crowd = crowd
        self.people = people
        self._changing = changing
        self.sent = 0
        self.said = 0
        self._plan: list[tuple[float, int, float, Deed]] = []
        """When, a number that tells deeds apart, after how long again, what."""

    def enter_rooms(self) -> None:
        """Send everybody to a room. Raises Failed if somebody does not get in."""
        for place, one in enumerate(self.people):
            one.enter()
            if place % 50 == 49:
                self.crowd.turn(0.02)
        until = time.monotonic() + _SETTLED_WITHIN
        while missing := sum(one.room is None for one in self.people):
            if time.monotonic() > until:
                raise Failed(f"{missing} of {len(self.people)} are in no room")
            self.crowd.turn(0.1)
        self.crowd.quiet(1.5)  # the last keys of the rooms

    def plan(self) -> None:
        """Make the timetable."""
        begin, count, pause = time.monotonic(), len(self.people), 3_600 / LINES_AN_HOUR
        for place, one in enumerate(self.people):
            share = place / count
            self._every(_PING_SPAN, begin + share * _PING_SPAN, partial(self._ping, one))
            self._every(pause, begin + share * pause, partial(self._say, one))
        # Always the same one goes and comes back: what all others are told has one row each time.
        self._every(3_600 / (2 * CHANGES_AN_HOUR * count), begin, self._changing.change)

    def chat(self, span: float) -> None:
        """Let them chat for a while, in real time."""
        until = time.monotonic() + span
        while (now := time.monotonic()) < until:
            while self._plan[0][0] <= now:
                at, number, pause, deed = heapq.heappop(self._plan)
                heapq.heappush(self._plan, (at + pause, number, pause, deed))
                deed()
            self.crowd.turn(max(min(self._plan[0][0], until) - time.monotonic(), 0.0))

    def _every(self, pause: float, first: float, deed: Deed) -> None:
        heapq.heappush(self._plan, (first, len(self._plan), pause, deed))

    def _say(self, one: Talker) -> None:
        line = one.line()
        assert one.link is not None
        one.link.sendall(line)
        self.sent += len(line)
        self.said += 1

    def _ping(self, one: Talker) -> None:
        data = one.ping()
        self.crowd.send(one, data)
        self.sent += len(data)


def needs_at(people: int) -> dict[str, float]:
    """Measure a registry with so many people online who chat. Raises Failed if lines get lost."""
    counter = time.time_ns() // 1_000_000
    with scratch() as folder, RegistryProcess(folder / "data") as registry:
        members = [Talker(index, counter=counter) for index in range(people)]
        with Crowd(registry.port, members, sockets=min(people, 200)) as crowd:
            crowd.join()
            crowd.quiet(1.0)
            town = Town(crowd, members, Changing(registry.port, people, counter))
            town.enter_rooms()
            town.plan()
            town.chat(_WARM_UP)
            heard = 0

            def count(_: Member, __: bytes, /) -> None:
                nonlocal heard
                heard += 1

            crowd.relayed = count  # type: ignore[method-assign]
            said, sent, got = town.said, town.sent, crowd.bytes_heard
            cpu, disk, began = registry.cpu(), _size(folder), time.monotonic()
            town.chat(SPAN)
            span = time.monotonic() - began
            cpu, disk = registry.cpu() - cpu, _size(folder) - disk
            said, sent, got = town.said - said, town.sent - sent, crowd.bytes_heard - got
            if heard < said * (min(ROOM, people) - 1) * _HEARD_LEAST:
                raise Failed(
                    f"{said} lines reached {heard} people only: the machine is too busy for {people:,}"
                )
            return {
                "memory": registry.memory() / 2**20,
                "cpu": cpu / span * 100,
                "out": got * 8 / span / 1e6,
                "in": sent * 8 / span / 1e6,
                "disk": disk / span * 3_600 / 2**20,
                "lines": said / span,
                "deliveries": heard / span,
            }


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


ROWS: Final = {
    "memory": "memory, MiB",
    "cpu": "processor, % of a core",
    "out": "network out, Mbit/s",
    "in": "network in, Mbit/s",
    "disk": "new on disk, MiB an hour",
    "lines": "lines a second",
    "deliveries": "deliveries a second",
}


def told(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    costs: dict[int, dict[str, float]] = {int(size): one for size, one in found["needs"].items()}
    sizes = sorted(costs)
    machine = found["machine"]
    lines = [
        f"{machine['processor']}, Python {machine['python']}; {SPAN:.0f} s of chat at each size.",
        "",
        "| | " + " | ".join(f"{size:,} online" for size in sizes) + " |",
        "|---|" + "---|" * len(sizes),
    ]
    lines += [
        f"| {what} | " + " | ".join(short(costs[size][key]) for size in sizes) + " |"
        for key, what in ROWS.items()
    ]
    for size, why in found.get("missing", {}).items():
        lines += ["", f"{int(size):,} online could not be measured: {why}."]
    return "\n".join(lines)


def main() -> int:
    """The command line; 1 when a size could not be measured: the section names it beside those that were measured."""
    parser = argparse.ArgumentParser(prog="python -m bench.sizing", description="What a registry needs.")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--into", type=Path, help="a Markdown file with a section for sizes")
    asked = parser.parse_args()
    allow_descriptors()
    found: dict[str, Any] = {"machine": described(), "needs": {}, "missing": {}}
    for size in map(int, asked.sizes.split(",")):
        print(f"{size:,} online ...", file=sys.stderr, flush=True)
        try:
            found["needs"][str(size)] = needs_at(size)
        except (Failed, ConnectionError) as failure:
            print(f"{size:,} online: {failure}", file=sys.stderr)
            found["missing"][str(size)] = str(failure)
    if not found["needs"]:
        return 1
    print(told(found))
    if asked.json is not None:
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    if asked.into is not None:
        put_section(asked.into, "sizing", told(found))
    return int(bool(found["missing"]))


if __name__ == "__main__":
    sys.exit(main())
