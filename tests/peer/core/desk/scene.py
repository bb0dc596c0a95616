"""A visitor's program played by hand: its requests, events and records."""

import random

from chatapp.peer.api.form import Form, StoredVisit
from chatapp.peer.core.desk.visit import Visit
from chatapp.wire.messages import desk as wire

FORM = Form(name="Ana", number="+919876543210", issue=1)
DESK = wire.DeskShown(
    queues=["desk", "exams"],
    menu=["Depression", "Other"],
    region="IN",
    keep_place=60,
    keep_form=86_400,
    keep_talk=86_400,
    closed=[],
)
WALL = 1_800_000_000.0


class Scene:
    """A visitor's program, whose link is up unless a test says otherwise."""

    def __init__(
        self, *, ticket: bytes = b"", shown: int = 0, queue: str = "", has_gateway: bool = False
    ) -> None:
        self.is_up = True
        self.asked: list[wire.VisitorRequest | wire.ConversationRequest] = []
        self.answers: list[wire.VisitorRequest | wire.ConversationRequest] = []
        """The answer to the last turn notice."""
        self.disk = StoredVisit(ticket=ticket, shown=shown)
        self.visit = Visit(
            self.disk, queue=queue, rng=random.Random(1), send=self._send, has_gateway=has_gateway
        )

    def _send(self, request: wire.VisitorRequest | wire.ConversationRequest) -> None:
        if self.is_up:
            self.asked.append(request)

    def store(self) -> None:
        """Store all records."""
        if (wanted := self.visit.wants_stored()) is not None:
            self.disk = wanted
            self.visit.stored()

    def said(self) -> list[wire.VisitorRequest | wire.ConversationRequest]:
        asked, self.asked = self.asked, []
        return asked

    def settled(self) -> bool:
        return self.visit.is_settled

    def join(self) -> wire.JoinDesk:
        self.visit.handle(DESK)
        self.visit.join(FORM)
        self.store()
        (join,) = self.said()
        assert isinstance(join, wire.JoinDesk)
        self.visit.events()
        return join

    def wait(
        self,
        position: int = 2,
        cause: wire.PositionCause = wire.PositionCause.JOINED,
        most: int = 0,
    ) -> None:
        self.visit.handle(wire.PositionReported(0, 7, cause, position, 1, 0, most, "desk", False))

    def serve(self, cause: wire.OperatorCause = wire.OperatorCause.CALLED, visit: int = 7) -> None:
        """Deliver a turn; the program answers at once, before it sends anything else."""
        before, self.asked = self.asked, []
        self.visit.handle(wire.OperatorAssigned(0, visit, cause, "bob"))
        self.answers, self.asked = self.asked[:1], before + self.asked[1:]

    def relink(self) -> None:
        """Lose the link and open a new one."""
        self.visit.handle(DESK)
