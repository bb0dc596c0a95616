"""Two owners of streams and what lies between them, in virtual time.

An `End` does what a program does: commits, confirms, shows, settles. Its `Disk` is what a kill -9
leaves of it.
"""

import random
from dataclasses import dataclass, field
from typing import assert_never, cast

from chatapp.wire.codec import decode_frames
from chatapp.wire.delivery.dedup import Admission, Inbox, Shown
from chatapp.wire.delivery.parts import (
    Acknowledged,
    Arrived,
    DeliveryEvent,
    GaveUp,
    NumbersReported,
    NumbersRequested,
    SyncReported,
    Unanswered,
)
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.stream import PAYLOAD_LIMIT, ReliableStream
from chatapp.wire.messages.direct import DeliveryFrame


def frames_of(payload: bytes) -> list[DeliveryFrame]:
    return cast("list[DeliveryFrame]", decode_frames(payload))


def transfer(source: ReliableStream, target: ReliableStream, *, now: float) -> int:
    """Everything that one has to send reaches the other."""
    payloads = source.payloads_to_send(now=now)
    for payload in payloads:
        target.receive_all([frames_of(payload)], now=now)
    return len(payloads)


def lose(source: ReliableStream, *, now: float) -> int:
    """Everything that one has to send is lost; how many payloads that was."""
    return len(source.payloads_to_send(now=now))


def make_stream(
    policy: Policy | None = None, *, seed: int = 1, inbox: Inbox | None = None
) -> ReliableStream:
    return ReliableStream(policy or Policy(), rng=random.Random(seed), inbox=inbox)


def say(delivery: ReliableStream, *, now: float = 0.0) -> list[list[DeliveryFrame]]:
    """The frames that it has to send, a list for each payload."""
    return [frames_of(payload) for payload in delivery.payloads_to_send(now=now)]


def take_all(delivery: ReliableStream, *, now: float) -> list[int]:
    """The owner commits what has arrived and shows what is ready."""
    for event in delivery.events():
        if isinstance(event, Arrived):
            delivery.confirm([event.number], now=now)
    return delivery.inbox.ready(now)


@dataclass
class Disk:
    """What survives: our messages not settled, theirs stored, and the marks on those shown, in that
    order."""

    next_number: int = 1_000
    outgoing: dict[int, bytes] = field(default_factory=dict)
    stored: dict[int, bytes] = field(default_factory=dict)
    marked: dict[int, None] = field(default_factory=dict)
    top: int = -1
    floor: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Of our stream: the spans that never come."""
    skipped: set[int] = field(default_factory=set)
    """For the check of order alone: the holes that were skipped, and what was stored below the
    floor."""


class End:
    """One program: a stream and its owner."""

    def __init__(
        self,
        disk: Disk,
        policy: Policy,
        *,
        now: float,
        seed: int,
        payload_limit: int = PAYLOAD_LIMIT,
    ) -> None:
        self.disk = disk
        self.policy = policy
        inbox = Inbox(
            policy,
            floor=disk.floor,
            seen=disk.stored,
            shown=Shown(disk.top, disk.stored.keys() - disk.marked.keys()),
        )
        self.delivery = ReliableStream(
            policy, rng=random.Random(seed), payload_limit=payload_limit, inbox=inbox
        )
        self.waiting_for_disk: dict[int, bytes] = {}
        self.given_up: set[int] = set()
        self.acknowledged: list[int] = []
        self.events: list[DeliveryEvent] = []
        # For the check of order: when each held message began to wait.
        self.held_since = dict.fromkeys(disk.stored.keys() - disk.marked.keys(), now)
        disk.skipped.update(number for number in self.held_since if number < disk.floor)
        self.excused: list[tuple[int, int]] = []
        """For the check of order: the `gaps` of the other end."""
        self._say_what_is_settled()
        for number, body in disk.outgoing.items():
            self.delivery.send(number, body, now=now)

    @property
    def floor(self) -> int:
        return next(iter(self.disk.outgoing), self.disk.next_number)

    def _say_what_is_settled(self) -> None:
        self.delivery.set_floor(self.floor)
        self.delivery.set_gaps([span for span in self.disk.gaps if span[1] > self.floor])

    def since(self, number: int) -> int:
        """The first number after the last unsettled one before `number`: what a letter says."""
        return max(
            (other + 1 for other in self.disk.outgoing if other < number), default=self.floor
        )

    def begin(self, body: bytes, *, now: float) -> int:
        number = self.disk.next_number
        self.disk.next_number += 1
        self.disk.outgoing[number] = body
        self.delivery.send(number, body, now=now)
        self._say_what_is_settled()
        return number

    def let_expire(self, number: int) -> None:
        self.disk.gaps.append((number, number + 1))
        self.settle(number)

    def settle(self, number: int) -> None:
        """Delivered, refused or expired: it never comes again."""
        self.disk.outgoing.pop(number, None)
        self.given_up.discard(number)
        self.delivery.withdraw(number)
        self._say_what_is_settled()

    def send_again(self, *, now: float) -> None:
        for number in sorted(self.given_up):
            self.delivery.send(number, self.disk.outgoing[number], now=now)
        self.given_up.clear()

    def turn(self, *, now: float, is_disk_quick: bool = True) -> list[bytes]:
        """What a shell does after each input: the events, the disk, the screen, the payloads."""
        for event in self.delivery.events():
            self._handle(event)
        if is_disk_quick:
            self.commit(now=now)
        self.show(now=now)
        return self.delivery.payloads_to_send(now=now)

    def commit(self, *, now: float) -> None:
        for number, body in self.waiting_for_disk.items():
            self.disk.stored.setdefault(number, body)
            self._hold(number, now)
            self.delivery.confirm([number], now=now)
        self.waiting_for_disk.clear()

    def receive_letter(
        self, number: int, body: bytes, *, floor: int, since: int, now: float
    ) -> None:
        """The same message by another way, which asks the inbox alone."""
        inbox = self.delivery.inbox
        inbox.raise_floor(floor)
        inbox.add_gap(since, number)
        if inbox.admit(number) is Admission.NEW:
            self.disk.stored[number] = body
            self._hold(number, now)
            inbox.store(number, now)

    def show(self, *, now: float) -> None:
        for number in self.delivery.inbox.ready(now):
            assert number in self.disk.stored, "shown before it was stored"
            assert number not in self.disk.marked, "I1: shown twice"
            self._check_order(number, now)
            self.disk.marked[number] = None
            self.disk.top = max(self.disk.top, number)
            self.held_since.pop(number, None)
        self.disk.floor = max(self.disk.floor, self.delivery.inbox.floor)

    def _hold(self, number: int, now: float) -> None:
        if number not in self.disk.marked:
            self.held_since.setdefault(number, now)
        if number < self.delivery.inbox.floor:
            self.disk.skipped.add(number)

    def _check_order(self, number: int, now: float) -> None:
        """I9: nothing overtakes a message that may still come, unless one has been held for 15
        s."""
        start = max(self.delivery.inbox.floor, self.disk.top + 1)
        if number < start:
            held_below_floor = number > self.disk.top
            is_excused = number in self.disk.skipped or self._is_in_gap(number)
            assert held_below_floor or is_excused, "I9: out of order"
            return
        missing = [
            other
            for other in range(start, number)
            if other not in self.disk.stored and not self._is_in_gap(other)
        ]
        if missing:
            waited = [now - since for held, since in self.held_since.items() if held >= number]
            assert max(waited) >= 15.0 - 1e-6, "I9: overtaken too early"
            self.disk.skipped.update(missing)

    def _is_in_gap(self, number: int) -> bool:
        return any(start <= number < end for start, end in self.excused)

    def _handle(self, event: DeliveryEvent) -> None:
        self.events.append(event)
        match event:
            case Arrived(number=number, body=body):
                assert number not in self.waiting_for_disk, "arrived twice"
                self.waiting_for_disk[number] = body
            case Acknowledged(number=number):
                self.acknowledged.append(number)
                self.settle(number)
            case GaveUp(number=number):
                if number in self.disk.outgoing:
                    self.given_up.add(number)
            case SyncReported() | Unanswered() | NumbersRequested() | NumbersReported():
                pass
            case _:
                assert_never(event)


def next_timer(*streams: ReliableStream) -> float | None:
    """The earliest deadline of all."""
    return min(
        (at for delivery in streams if (at := delivery.next_timer()) is not None), default=None
    )
