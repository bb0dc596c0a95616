"""Receipts: what became of each message of ours, for programs that wait for it."""

import asyncio
import enum
from collections.abc import Mapping
from typing import Final

from chatapp.peer.core.events import (
    Addressed,
    ChannelAccepted,
    ChannelUnanswered,
    Delivered,
    Event,
    Expired,
    GroupLineRefused,
    Kept,
    MessageReason,
    MessageRefused,
    Renamed,
    Renumbered,
    RoomAccepted,
    RoomUnanswered,
    Saved,
)
from chatapp.peer.errors import NotOpen
from chatapp.wire.messages.rooms import ROOM_SIGN


class Outcome(enum.Enum):
    """What became of a message."""

    DELIVERED = "decrypted and stored by the recipient's program"
    RELAYED = "the same, through the registry"
    SAVED = "on the registry's disk, sealed"
    KEPT = "in our own outbox; it goes out when a way opens"
    REFUSED = "it will not arrive"


CHANNEL: Final = ""
"""The recipient of lines to the channel: no name is empty."""


class Receipt:
    """The receipt of one message. `outcome` may change from KEPT to another one, when a way opens; `number` may change
    once, before the message is sent."""

    __slots__ = ("_is_over", "_waiters", "number", "outcome", "reason", "to")

    def __init__(self, to: str, number: int) -> None:
        self.to: Final = to
        self.number = number
        self.outcome: Outcome | None = None
        self.reason: MessageReason | None = None
        self._is_over = False
        self._waiters: list[asyncio.Future[None]] | None = None
        """A future for each waiter, so that one who is cancelled takes the answer from nobody. Mostly nobody waits."""

    def __repr__(self) -> str:
        outcome = self.outcome.name if self.outcome is not None else "under way"
        reason = "" if self.reason is None else f": {self.reason.value}"
        return f"<Receipt of {self.number} to {self.to!r}: {outcome}{reason}>"

    async def settled(self) -> Outcome:
        """Wait for the first outcome."""
        while self.outcome is None:
            await self._change()
        return self.outcome

    async def final(self) -> Outcome:
        """Wait for an outcome other than KEPT. Raises NotOpen when the peer is closed first: the message goes out at the
        next start, and this receipt does not learn of it."""
        while self.outcome is None or self.outcome is Outcome.KEPT:
            if self._is_over:
                raise NotOpen
            await self._change()
        return self.outcome

    def settle(self, outcome: Outcome, reason: MessageReason | None = None) -> None:
        """Note the outcome and wake whoever waits for it."""
        self.outcome, self.reason = outcome, reason
        self._wake()

    def close(self) -> None:
        """Note that nothing more will be known of the message."""
        self._is_over = True
        self._wake()

    async def _change(self) -> None:
        future = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = [future]
        else:
            self._waiters.append(future)
        await future

    def _wake(self) -> None:
        if self._waiters is not None:
            waiters, self._waiters = self._waiters, None
            for future in waiters:
                if not future.done():  # a waiter may have been cancelled
                    future.set_result(None)


_ABOUT_OURS: Final = frozenset(
    {
        Addressed,
        Delivered,
        Saved,
        MessageRefused,
        Expired,
        Kept,
        Renamed,
        Renumbered,
        ChannelAccepted,
        ChannelUnanswered,
        RoomAccepted,
        GroupLineRefused,
        RoomUnanswered,
    }
)
"""The events that concern a receipt. All others are recognised by one look-up in this set."""


class Receipts:
    """All receipts that may still change."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], Receipt] = {}
        self._is_first = True
        self.is_alone = True
        """Whether the newest message found nothing else under way, and so did the one before it: a program that sends one at
        a time. The first of many that are sent together finds nothing either, but the one before it did."""

    def open(self, to: str, number: int) -> Receipt:
        """Return a receipt for a message that has just been begun."""
        is_first = not self._open
        self.is_alone, self._is_first = is_first and self._is_first, is_first
        receipt = self._open[(to, number)] = Receipt(to, number)
        return receipt

    def renumber(self, name: str, numbers: Mapping[int, int], *, to: str | None = None) -> None:
        """Give messages to one person their new numbers. `numbers`: the new by the old. `to`: the person's new name, if it
        has changed as well."""
        moved = {(to or name, new): self._open.pop((name, old), None) for old, new in numbers.items()}
        for key, receipt in moved.items():
            if receipt is not None:
                receipt.number = key[1]
                self._open[key] = receipt

    def note(self, event: Event) -> None:
        """Update the receipt that an event concerns, if any."""
        if type(event) not in _ABOUT_OURS:
            return
        match event:
            case Delivered(to=to, number=number, through_server=relayed):
                self._close(to, number, Outcome.RELAYED if relayed else Outcome.DELIVERED)
            case Saved(to=to, number=number):
                self._close(to, number, Outcome.SAVED)
            case MessageRefused(to=to, number=number, reason=reason):
                self._close(to, number, Outcome.REFUSED, reason)
            case Expired(to=to, number=number):
                self._close(to, number, Outcome.REFUSED, MessageReason.NEVER_FETCHED)
            case Kept(to=to, number=number):
                self._keep(to, number)
            case Addressed(name=name, to=to, numbers=numbers):
                self.renumber(name, numbers, to=to)
            case Renumbered(to=to, numbers=numbers):
                self.renumber(to, numbers)
            case Renamed(old=old, new=new):
                for to, number in [key for key in self._open if key[0] == old]:
                    self._open[(new, number)] = self._open.pop((to, number))
            case ChannelAccepted(number=number):
                self._close(CHANNEL, number, Outcome.SAVED)
            case ChannelUnanswered(number=number):
                self._keep(CHANNEL, number)
            case RoomAccepted(room=room, number=number):
                self._close(ROOM_SIGN + room, number, Outcome.SAVED)
            case RoomUnanswered(room=room, number=number):
                self._keep(ROOM_SIGN + room, number)
            case GroupLineRefused(room=room, number=number, reason=reason):
                self._close(ROOM_SIGN + room if room else CHANNEL, number, Outcome.REFUSED, reason)
            case _:
                pass

    def close(self, *, is_kept: bool) -> None:
        """Close all receipts: the peer is being closed. `is_kept`: what is still under way is on disk and goes out at the
        next start."""
        for receipt in self._open.values():
            if receipt.outcome is None:
                if is_kept:
                    receipt.settle(Outcome.KEPT)
                else:
                    receipt.settle(Outcome.REFUSED, MessageReason.ENDED)
            receipt.close()
        self._open.clear()

    def _keep(self, to: str, number: int) -> None:
        if (kept := self._open.get((to, number))) is not None:
            kept.settle(Outcome.KEPT)

    def _close(self, to: str, number: int, outcome: Outcome, reason: MessageReason | None = None) -> None:
        receipt = self._open.pop((to, number), None)
        if receipt is not None:
            receipt.settle(outcome, reason)
