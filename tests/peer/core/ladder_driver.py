"""Alice's ladder with bob on it, for tests of the fate of her messages. Streams are real, the rest
is scripted. Time is a number; nobody answers unless the test says so.
"""

import msgspec

from chatapp.peer.api.events import Event, MessageChanged, MessageState
from chatapp.peer.core.context import RegistryReach
from chatapp.peer.core.conversation import Message
from chatapp.peer.core.direct.mail import MailQueue, Settlement
from chatapp.peer.core.direct.outbox import DeliveryPaths, Ladder
from chatapp.peer.core.records import OutgoingChanged, OutgoingDelivered, StoredStream
from chatapp.wire.codec import decode_frames
from chatapp.wire.delivery.parts import Acknowledged, GaveUp
from chatapp.wire.messages.direct import Ack, Part
from chatapp.wire.messages.mail import DepositMail, MailRefusal
from tests.peer.core.cast import POLICY, WALL, Someone
from tests.peer.core.receiver_driver import KnownPeople

ALICE, BOB = Someone("alice"), Someone("bob")


class LadderDriver:
    """Alice's ladder with one contact on it, bob, who answers only when told to."""

    def __init__(
        self,
        reach: RegistryReach = RegistryReach.UP,
        *,
        online: bool = True,
        stored: StoredStream | None = None,
    ) -> None:
        self.now = 100.0
        ctx = ALICE.context()
        self.out, self.registry_status = ctx.out, ctx.status
        self.registry_status.clock_heard(0.0)
        self.settlement = Settlement(ctx)
        self.mail_queue = MailQueue(ctx, self.settlement)
        self.ladder = Ladder(ctx, KnownPeople(), DeliveryPaths(ctx, self.mail_queue))
        self.bob = BOB.contact(online=online, stored=stored)
        assert self.bob.conversation is not None
        self.conversation = self.bob.conversation
        self.settlement.adopt(self.bob)
        self.reach(reach)

    @staticmethod
    def _wall(now: float) -> float:
        return WALL + now - 100.0

    # --- what happens

    def say(self, text: str = "hi") -> Message:
        wall = self._wall(self.now)
        message = self.ladder.begin(self.bob, self.conversation, text, wall=wall)
        self.ladder.start_begun(now=self.now)
        return message

    def reach(self, reach: RegistryReach) -> None:
        if reach is not self.registry_status.reach:
            self.registry_status.change(reach, now=self.now)
            self.ladder.reach_changed(now=self.now)

    def shows_mail_key(self, key: bytes) -> None:
        """Put this mail key into Bob's card; nothing can be sealed to an invalid one."""
        row = self.bob.row
        self.bob.row = msgspec.structs.replace(
            row, card=msgspec.structs.replace(row.card, mail=key)
        )

    def row(self, *, online: bool) -> None:
        """Deliver a row that says that bob came or went."""
        self.bob.take_row(BOB.row(2, online=online))
        self.ladder.climb(self.bob, now=self.now)

    def saves(self) -> None:
        """Let the registry confirm every letter it was given."""
        for letter in self.deposited():
            if self.mail_queue.saved(letter.reference, now=self.now) is not None:
                self.ladder.climb(self.bob, now=self.now)

    def acks(self, *messages: Message, through_server: bool = False) -> None:
        """Let Bob acknowledge these numbers."""
        for message in messages:
            self.conversation.delivery.receive(Ack(message.number, [1]), now=self.now)
        self._heed(through_server)

    def pass_time(self, span: float) -> None:
        """Let time pass and everything due happen."""
        end = self.now + span
        self.sent()
        while (due := self._due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.conversation.delivery.handle_timer(now=self.now)
            self._heed(through_server=False)
            self.ladder.handle_timer(now=self.now)
            self.sent()
        self.now = end

    def _due(self) -> float | None:
        dues = (self.conversation.delivery.next_timer(), self.ladder.next_timer())
        return min((due for due in dues if due is not None), default=None)

    def _heed(self, through_server: bool) -> None:
        events = self.conversation.delivery.events()
        answers = [event for event in events if isinstance(event, Acknowledged)]
        if answers:
            self.settlement.acknowledged(
                self.bob, answers, through_server=through_server, now=self.now
            )
        for event in events:
            if isinstance(event, GaveUp):
                self.ladder.gave_up(self.bob, event.number, now=self.now)

    # --- what comes of it

    def sent(self) -> list[int]:
        """Return the numbers of all parts sent now."""
        frames = [
            frame
            for one in self.conversation.delivery.payloads_to_send(now=self.now)
            for frame in decode_frames(one)
        ]
        return [frame.number for frame in frames if isinstance(frame, Part)]

    def deposited(self) -> list[DepositMail]:
        requests, self.out.requests = self.out.requests, []
        return [request for request in requests if isinstance(request, DepositMail)]

    def told(self) -> list[type[Event] | MessageState]:
        """Drain the kinds of the events, and the states that messages got into."""
        return [
            event.state if isinstance(event, MessageChanged) else type(event)
            for event in self.out.drain_events()
        ]

    def state(self) -> list[MessageState]:
        """Drain the stored states of messages."""
        records = self.out.drain_records()
        states: list[MessageState] = []
        for record in records:
            if isinstance(record, OutgoingChanged):
                states.append(record.state)
            elif isinstance(record, OutgoingDelivered):
                states += [MessageState.DELIVERED] * record.count
        return states


def acked(driver: LadderDriver) -> None:
    driver.sent()
    driver.acks(*driver.conversation.outgoing)


def relayed_ack(driver: LadderDriver) -> None:
    driver.acks(*driver.conversation.outgoing, through_server=True)


def tried(driver: LadderDriver) -> None:
    driver.pass_time(POLICY.give_up_after)


def relaying(driver: LadderDriver) -> None:
    driver.pass_time(2 * POLICY.ack_timeout)


def relay_fails(driver: LadderDriver) -> None:
    driver.ladder.relay_failed(driver.bob, now=driver.now)


def saved(driver: LadderDriver) -> None:
    driver.saves()


def refused(driver: LadderDriver) -> None:
    driver.mail_queue.refused(
        driver.deposited()[0].reference, MailRefusal.NAME_UNKNOWN, now=driver.now
    )


def full(driver: LadderDriver) -> None:
    driver.mail_queue.refused(
        driver.deposited()[0].reference, MailRefusal.MAILBOX_FULL, now=driver.now
    )


def goes(driver: LadderDriver) -> None:
    driver.row(online=False)


def comes(driver: LadderDriver) -> None:
    driver.row(online=True)


def lost(driver: LadderDriver) -> None:
    driver.reach(RegistryReach.LOST)


def sought(driver: LadderDriver) -> None:
    driver.reach(RegistryReach.SEEKING)


def found(driver: LadderDriver) -> None:
    driver.reach(RegistryReach.UP)


def offline(driver: LadderDriver) -> None:
    driver.reach(RegistryReach.NONE)


def up() -> LadderDriver:
    return LadderDriver()


def away() -> LadderDriver:
    return LadderDriver(online=False)


def alone() -> LadderDriver:
    return LadderDriver(RegistryReach.LOST)


def seeking() -> LadderDriver:
    return LadderDriver(RegistryReach.SEEKING)
