"""This file is about the receiving half of a courier: parts become messages, stored messages become acknowledgements.

It knows what has come, what waits for the owner's disk, and what the sender must be told; it must not know what
goes the other way, nor when a datagram leaves.
"""

from wire.delivery.events import Arrived, DeliveryEvent
from wire.delivery.fragments import Assemblies
from wire.delivery.policy import Policy
from wire.delivery.runs import Runs
from wire.delivery.seen import BEYOND, REPEAT, Inbox
from wire.messages.delivery import RUNS_LIMIT, Ack, Part, PartAck, encode_frame


class Intake:
    """Takes parts of one sender; says what is stored (Ack) and what is held in memory (PartAck)."""

    __slots__ = (
        "_assemblies",
        "_events",
        "_inbox",
        "_message_limit",
        "_owed",
        "_owed_limit",
        "_parts_owed",
        "_unconfirmed",
        "_unconfirmed_limit",
        "_unconfirmed_parts",
    )

    def __init__(
        self, policy: Policy, inbox: Inbox, events: list[DeliveryEvent], assemblies: Assemblies
    ) -> None:
        self._inbox = inbox
        self._events = events
        self._message_limit = policy.message_limit
        self._assemblies = assemblies
        # Number to count of parts of the whole messages that the owner has not confirmed.
        self._unconfirmed: dict[int, int] = {}
        inbox.storing = self._unconfirmed
        self._unconfirmed_parts = 0
        self._unconfirmed_limit = policy.unconfirmed_parts
        self._owed: list[int] = []
        self._owed_limit = policy.hold_numbers
        self._parts_owed: dict[int, None] = {}

    @property
    def owes(self) -> bool:
        """Whether an acknowledgement of any kind is to be sent."""
        return bool(self._owed or self._parts_owed)

    @property
    def unconfirmed_count(self) -> int:
        """Whole messages that wait for the owner's disk."""
        return len(self._unconfirmed)

    @property
    def bytes_held(self) -> int:
        """What the parts of incomplete messages are charged."""
        return self._assemblies.bytes_held

    def receive_part(self, part: Part, now: float) -> bool:
        """False: it was dropped, as nonsense or for want of room."""
        number = part.number
        admission = self._inbox.admit(number)
        if admission is REPEAT:
            self._assemblies.drop(number)
            self._owe(number)
            return True
        if number in self._unconfirmed:
            if part.count > 1:
                self._parts_owed[number] = None
            return True
        if admission is BEYOND or self._unconfirmed_parts >= self._unconfirmed_limit:
            return False
        if part.count != 1:
            return self._receive_piece(part, now)
        if part.index or len(part.body) > self._message_limit:
            return False
        self._arrive(number, 1, part.body)
        return True

    def confirm(self, number: int, now: float) -> None:
        """The owner has stored it: order it, and acknowledge it in the next payload."""
        self._unconfirmed_parts -= self._unconfirmed.pop(number, 0)
        if self._parts_owed:
            self._parts_owed.pop(number, None)
        self._inbox.store(number, now)
        self._owe(number)

    def reject(self, number: int) -> None:
        """The owner could not store it: the next copy is new again."""
        self._unconfirmed_parts -= self._unconfirmed.pop(number, 0)
        self._parts_owed.pop(number, None)
        self._inbox.forget(number)

    def raise_floor(self, number: int) -> None:
        """The sender has settled everything below `number`."""
        self._inbox.raise_floor(number)
        if len(self._assemblies):
            self._assemblies.drop_below(number)

    def pass_over(self, start: int, end: int) -> None:
        """The sender will never send any of [start, end)."""
        self._inbox.pass_over(start, end)

    def frames(self) -> list[bytes]:
        """Drains the acknowledgements that are owed, encoded."""
        frames: list[bytes] = []
        if self._owed:
            owed, self._owed = self._owed, []
            newest = self._inbox.newest(RUNS_LIMIT)
            if newest is not None:
                frames.append(encode_frame(Ack(*newest)))
                owed = [number for number in owed if number < newest[0]]
            # Repeats from below the floor, or older than the newest runs: their sender may never have heard.
            strays = Runs(owed)
            while (chunk := strays.newest(RUNS_LIMIT)) is not None:
                frames.append(encode_frame(Ack(*chunk)))
                strays = Runs(number for number in strays if number < chunk[0])
        if self._parts_owed:
            frames += self._part_frames()
        return frames

    def _owe(self, number: int) -> None:
        if len(self._owed) < self._owed_limit:
            self._owed.append(number)

    def _receive_piece(self, part: Part, now: float) -> bool:
        if not self._assemblies.fits(part):
            return False
        self._parts_owed[part.number] = None
        body = self._assemblies.add(part, now)
        if body is not None:
            self._arrive(part.number, part.count, body)
        return True

    def _arrive(self, number: int, count: int, body: bytes) -> None:
        self._unconfirmed[number] = count
        self._unconfirmed_parts += count
        self._events.append(Arrived(number, body))

    def _part_frames(self) -> list[bytes]:
        owed, self._parts_owed = self._parts_owed, {}
        frames = []
        for number in owed:
            count = self._unconfirmed.get(number)
            held = Runs(range(count) if count else self._assemblies.indexes(number))
            newest = held.newest(RUNS_LIMIT)
            if newest is not None:
                frames.append(encode_frame(PartAck(number, *newest)))
        return frames
