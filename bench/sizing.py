"""What a registry needs for so many people who chat at a stated rate: memory, processor, network
and disk.

python -m bench.sizing [--sizes 10,100,1000,3000,10000] [--json FILE] [--into FILE.md]

Real sockets and the real program; the people are simulated. Each size takes as long as its people
need to come in twice, and `SPAN` seconds more, or longer on a machine that is too slow for people
and registry together.
"""

import argparse
import heapq
import math
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.crowd import Crowd
from bench.document import put_section
from bench.figures import short
from bench.machine import Failed, allow_descriptors, described, scratch, summary
from bench.members import Member
from bench.presence import Changing
from bench.registry import Registries, Start, usual_registry
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.codec import encode, frame
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.rooms import CHANNEL, EnterRooms, GroupBody, GroupGranted, RoomRefused
from chatapp.wire.messages.table import PresenceChanged
from chatapp.wire.sealing import GroupKey

BROADCAST_UP_TO: Final = RegistryPolicy().broadcast_up_to
SIZES: Final = (10, 100, 1_000, 3_000, 10_000)
ROOM: Final = 20
"""People in a room."""
LINES_AN_HOUR: Final = 60
"""What each writes in the room."""
CHANGES_AN_HOUR: Final = 1
"""How often each goes, and comes back: everybody is told of both, or those who watch them."""
WATCHERS: Final = 50
"""People who watch somebody who comes and goes, where not everybody is told."""
_CHANGES_EACH: Final = 8
"""Changes that one person makes in a measurement at most: further ones would be announced as one
(clause 3.3)."""
_TEXT: Final = "x" * 100
_PING_SPAN: Final = 10.0
"""Seconds between two signs of life of a peer."""
SPAN: Final = 20.0
"""Seconds of chat that are measured."""
_WARM_UP: Final = _PING_SPAN
"""Seconds of chat before: everybody's first sign of life opens a session, which costs more than all
others."""
_STEP: Final = 0.05
"""Seconds of the timetable that may pass before the next look at what came in."""
_SLOWEST: Final = 12.0
"""How often longer than on a machine that is quick enough a measurement may take."""
_SETTLED_WITHIN: Final = 60.0

Deed = Callable[[], None]


class Talker(Member):
    """A simulated peer in a room, who counts what comes in."""

    def __init__(self, index: int, *, counter: int) -> None:
        super().__init__(index, counter=counter)
        self.room: GroupGranted | None = None
        self.told: Callable[[int], None] = lambda _: None
        """Is called with how many changes came of people whom it watches."""
        self._key: GroupKey | None = None
        self._number = time.time_ns() // 1_000

    def enter(self) -> None:
        """Go to the room of twenty that the index says."""
        self.request(EnterRooms(1, [f"room{self.index // ROOM:04d}"]))

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
            return
        if isinstance(notice, RoomRefused):
            raise Failed(f"{self.card.name} may not enter a room: {notice.reason.name}")
        if isinstance(notice, PresenceChanged) and not notice.reference:
            self.told(len(notice.people))
        super()._take(notice, size)


class Town:
    """A crowd that chats: what each does is in one timetable, spread evenly over time.

    The timetable has a clock of its own. It goes with real time, but stands still while the machine
    is too slow for the crowd or for the registry, so that what happens in a second of the timetable
    costs the same on a busy machine.
    """

    def __init__(
        self, crowd: Crowd, people: list[Talker], changing: list[Changing], folder: Path
    ) -> None:
        self.crowd = crowd
        self.people = people
        self._changing = cycle(changing)
        self.sent = self.said = self.heard = 0
        """Bytes sent, lines said, and copies of lines heard."""
        self.is_by_interest = len(people) + len(changing) > BROADCAST_UP_TO
        """Whether each is told only of those whom they watch."""
        self._news = 0
        """Changes that came to those who watch somebody."""
        self.stored = 0
        """Bytes that were added to the journals."""
        self._folder = folder
        self._journals = _journals(folder)
        self._unanswered = 0
        """Signs of life sent, less datagrams that were no broadcast."""
        self._made = 0
        self._untold: deque[int] = deque()
        """For each change that is not told yet: how many copies of it have been heard when all know
        it who are to know it."""
        for one in people:
            one.told = self._note_news
        self._now = 0.0
        self._plan: list[tuple[float, int, float, Deed]] = []
        """When, a number that tells deeds apart, after how long again, what."""
        crowd.relayed = self._count  # type: ignore[method-assign]

    @property
    def unheard(self) -> int:
        """Copies of lines that are under way."""
        return self.said * (min(ROOM, len(self.people)) - 1) - self.heard

    @property
    def untold(self) -> int:
        """Changes that not everybody has been told of."""
        heard = self._news if self.is_by_interest else self.crowd.broadcasts_heard
        while self._untold and self._untold[0] <= heard:
            self._untold.popleft()
        return len(self._untold)

    @property
    def is_behind(self) -> bool:
        """Whether more is under way than happens in a second."""
        crowd, count = self.crowd, len(self.people)
        unanswered = self._unanswered - (crowd.datagrams_heard - crowd.broadcasts_heard)
        return (
            self.unheard > max(count * LINES_AN_HOUR / 3_600, 1.0) * ROOM
            or unanswered > max(count / _PING_SPAN, 1.0)
            or self.untold > max(changes_a_second(count), 1.0)
        )

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
        count, pause = len(self.people), 3_600 / LINES_AN_HOUR
        self._news = 0
        self._unanswered = self.crowd.datagrams_heard - self.crowd.broadcasts_heard
        for place, one in enumerate(self.people):
            share = place / count
            self._every(_PING_SPAN, share * _PING_SPAN, partial(self._ping, one))
            self._every(pause, share * pause, partial(self._say, one))
        self._every(1 / changes_a_second(count), 0.0, self._change)
        self._every(1.0, 0.0, self.look_at_journals)

    def chat(self, span: float) -> float:
        """Let them chat for so many seconds of the timetable, until all is heard. Return the
        seconds that this took. Raises Failed if that is too long, or lines got lost."""
        until, began = self._now + span, time.monotonic()
        last = began
        while self._now < until or self.unheard > 0 or self.untold:
            now = time.monotonic()
            if now - began > _SLOWEST * span:
                raise Failed(
                    f"of {self.said:,} lines {self.unheard:,} copies, and {self.untold:,} changes of status, did not arrive"
                )
            if not self.is_behind:
                self._now = min(self._now + min(now - last, _STEP), until)
            last = now
            while self._plan[0][0] < self._now:
                at, number, pause, deed = heapq.heappop(self._plan)
                heapq.heappush(self._plan, (at + pause, number, pause, deed))
                deed()
            self.crowd.turn(min(max(self._plan[0][0] - self._now, 0.0), _STEP))
        return time.monotonic() - began

    def _every(self, pause: float, first: float, deed: Deed) -> None:
        heapq.heappush(self._plan, (first, len(self._plan), pause, deed))

    def _say(self, one: Talker) -> None:
        line = one.line()
        assert one.link is not None
        one.link.sendall(line)
        one.spoke_at = time.monotonic()
        self.sent += len(line)
        self.said += 1

    def _ping(self, one: Talker) -> None:
        datagrams = one.ping()
        self.crowd.send(one, *datagrams)
        self.sent += sum(map(len, datagrams))
        self._unanswered += 1

    def look_at_journals(self) -> None:
        """Count what was stored since the last look. A checkpoint removes journals, and begins
        another one."""
        before, self._journals = self._journals, _journals(self._folder)
        self.stored += sum(
            max(size - before.get(name, 0), 0) for name, size in self._journals.items()
        )

    def _change(self) -> None:
        next(self._changing).change()
        if self.is_by_interest:
            self._made += 1
            self._untold.append(self._made * WATCHERS)
            return
        # A broadcast may be under way that does not have it. The one that has it is followed by
        # another at last.
        self._untold.append(self.crowd.broadcasts_heard + 2 * len(self.people))

    def _note_news(self, count: int) -> None:
        self._news += count

    def _count(self, _: Member, __: bytes, /) -> None:
        self.heard += 1


def changes_a_second(people: int) -> float:
    """Return how often somebody of so many goes or comes back."""
    return 2 * CHANGES_AN_HOUR * people / 3_600


def needs_at(people: int, start: Start = usual_registry) -> dict[str, float]:
    """Measure registries, all together, with so many people online who chat. Raises Failed if lines
    get lost.

    The names are bound in an earlier life of the registry: a newcomer's binding makes a new channel
    key due a minute later.
    """
    counter = time.time_ns() // 1_000_000
    changing = 1 + math.ceil(changes_a_second(people) * (_WARM_UP + SPAN) / _CHANGES_EACH)
    sockets = min(people, 200)
    with scratch() as folder:
        everybody = (Member(index, counter=counter) for index in range(people + changing))
        with start(folder) as first, Crowd(first.servers, everybody, sockets=sockets) as newcomers:
            newcomers.join(links=False)
        members = [Talker(index, counter=counter + 1) for index in range(people)]
        watched = [
            Member(people + one, counter=counter + 1).card.identity for one in range(changing)
        ]
        for one in members:  # mates of their rooms, and some of them somebody who comes and goes
            mates = members[one.index // ROOM * ROOM :][:ROOM]
            followed = watched[one.index // WATCHERS :][:1]
            one.watches = [*(mate.card.identity for mate in mates), *followed]
        with (
            start(folder) as registries,
            Crowd(registries.servers, members, sockets=sockets, keeps_links=True) as crowd,
        ):
            crowd.join()
            crowd.quiet(1.0)
            who = range(people, people + changing)
            going = [Changing(registries.servers, index, counter + 1) for index in who]
            town = Town(crowd, members, going, folder)
            town.enter_rooms()
            town.plan()
            town.chat(_WARM_UP)
            return _measured(town, registries)


def _measured(town: Town, registries: Registries) -> dict[str, float]:
    """Let the town chat, and return what a second of that takes. Raises Failed if datagrams get
    lost."""
    town.look_at_journals()
    said, sent, heard, got = town.said, town.sent, town.heard, town.crowd.bytes_heard
    cpu, disk, lost = registries.cpu(), town.stored, town.crowd.datagrams_lost
    took = town.chat(SPAN)
    town.look_at_journals()
    cpu, disk, lost = registries.cpu() - cpu, town.stored - disk, town.crowd.datagrams_lost - lost
    if lost:
        raise Failed(f"{lost:,} datagrams came faster than they were read")
    return {
        "memory": registries.memory() / 2**20,
        "cpu": cpu / SPAN * 100,
        "out": (town.crowd.bytes_heard - got) * 8 / SPAN / 1e6,
        "in": (town.sent - sent) * 8 / SPAN / 1e6,
        "disk": disk / SPAN * 3_600 / 2**20,
        "lines": (town.said - said) / SPAN,
        "deliveries": (town.heard - heard) / SPAN,
        "took": took,
    }


def _journals(folder: Path) -> dict[str, int]:
    sizes = {}
    for one in folder.rglob("journal-*"):
        with suppress(FileNotFoundError):  # a checkpoint is under way
            sizes[str(one)] = one.stat().st_size
    return sizes


ROWS: Final = {
    "memory": "memory, MiB",
    "cpu": "processor, % of a core",
    "out": "network out, Mbit/s",
    "in": "network in, Mbit/s",
    "disk": "new on disk, MiB an hour",
    "lines": "lines a second",
    "deliveries": "deliveries a second",
    "took": f"seconds that {SPAN:.0f} s of chat took here",
}


def told(found: dict[str, Any]) -> str:
    """The table, in Markdown."""
    costs: dict[int, dict[str, float]] = {int(size): one for size, one in found["needs"].items()}
    sizes = sorted(costs)
    lines = [
        f"{summary(found['machine'])}; {SPAN:.0f} s of chat at each size.",
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
    """The command line; 1 when a size could not be measured: the section names it beside those that
    were measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.sizing", description="What a registry needs."
    )
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
