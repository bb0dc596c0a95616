"""A sending half with its notices, and datagrams as lists of (number, index)."""

import random
from itertools import repeat

from chatapp.wire.codec import join_frames
from chatapp.wire.delivery.parts import DeliveryEvent
from chatapp.wire.delivery.policy import Policy
from chatapp.wire.delivery.sender import StreamSender
from chatapp.wire.messages.direct import Floor, Part, encode_frame
from tests.wire.delivery.network import frames_of

ROOM = 1_000
SIZE = 100


class SendingEnd:
    """A sending half with its notices; `leave` is what goes into datagrams now, a list for each."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.events: list[DeliveryEvent] = []
        self.stream_sender = StreamSender(
            policy or Policy(), random.Random(1), self.events, piece_size=SIZE, room=ROOM
        )

    def leave(self, *, now: float, room: int = ROOM) -> list[list[tuple[int, int]]]:
        return [
            [
                (part.number, part.index)
                for part in frames_of(join_frames(parts))
                if isinstance(part, Part)
            ]
            for parts in self.stream_sender.take(repeat(room), now, floor=encode_frame(Floor(0)))
        ]

    def drain(self) -> list[DeliveryEvent]:
        events = self.events[:]
        self.events.clear()
        return events

    def learn_round_trip(self, span: float) -> None:
        """One message that is answered after `span`; time ends at that value."""
        self.stream_sender.send(0, b"first", 0.0)
        self.leave(now=0.0)
        self.stream_sender.acknowledge(0, [1], span)
        self.drain()
