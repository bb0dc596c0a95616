"""Receipts: what became of each message of ours, for programs that wait for it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from chatapp.peer.core.events import (
    Addressed,
    Event,
    MessageChanged,
    MessageReason,
    MessageState,
    Renamed,
    Renumbered,
)
from chatapp.peer.errors import NotOpen

CHANNEL: Final = ""
"""The recipient of lines to the channel: no name is empty."""


class Receipt:
    """The receipt of one message. `state` is UNSETTLED at first, and may change from KEPT to another one when a way opens;
    `number` may change once, before the message is sent."""

    __slots__ = ("_is_over", "_waiters", "number", "reason", "state", "through_server", "to")

    def __init__(self, to: str, number: int) -> None:
        self.to: Final = to
        self.number = number
        self.state = MessageState.UNSETTLED
        self.reason: MessageReason | None = None
        self.through_server = False
        """Whether a delivered message went through the registry."""
        self._is_over = False
        self._waiters: list[asyncio.Future[None]] | None = None
        """A future for each waiter, so that cancelling one takes the answer from no other. Mostly nobody waits."""

    def __repr__(self) -> str:
        state = self.state.name if self.state is not MessageState.UNSETTLED else "under way"
        reason = "" if self.reason is None else f": {self.reason.value}"
        return f"<Receipt of {self.number} to {self.to!r}: {state}{reason}>"

    async def settled(self) -> MessageState:
        """Wait for the first state after UNSETTLED."""
        while self.state is MessageState.UNSETTLED:
            await self._change()
        return self.state

    async def final(self) -> MessageState:
        """Wait for a state after UNSETTLED and KEPT. Raises NotOpen when the peer is closed first: the message goes out at
        the next start, and this receipt does not learn of it."""
        while self.state in (MessageState.UNSETTLED, MessageState.KEPT):
            if self._is_over:
                raise NotOpen
            await self._change()
        return self.state

    def settle(
        self, state: MessageState, reason: MessageReason | None = None, *, through_server: bool = False
    ) -> None:
        """Note the state and wake those who wait for it."""
        self.state, self.reason, self.through_server = state, reason, through_server
        if self._waiters is not None:
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


_ABOUT_OURS: Final = frozenset({MessageChanged, Addressed, Renamed, Renumbered})
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

    def note_all(self, events: Iterable[Event]) -> None:
        """Update the receipts that events concern."""
        for event in events:
            if type(event) in _ABOUT_OURS:
                self.note(event)

    def note(self, event: Event) -> None:
        """Update the receipt that an event concerns, if any."""
        match event:
            case MessageChanged(to=to, number=number, state=MessageState.KEPT):
                if (kept := self._open.get((to, number))) is not None:
                    kept.settle(MessageState.KEPT)
            case MessageChanged(to=to, number=number, state=state, reason=reason):
                if (receipt := self._open.pop((to, number), None)) is not None:
                    receipt.settle(state, reason, through_server=event.through_server)
            case Addressed(name=name, to=to, numbers=numbers):
                self.renumber(name, numbers, to=to)
            case Renumbered(to=to, numbers=numbers):
                self.renumber(to, numbers)
            case Renamed(old=old, new=new):
                for to, number in [key for key in self._open if key[0] == old]:
                    self._open[(new, number)] = self._open.pop((to, number))
            case _:
                pass

    def close(self, *, is_kept: bool) -> None:
        """Close all receipts: the peer is being closed. `is_kept`: what is still under way is on disk and goes out at the
        next start."""
        for receipt in self._open.values():
            if receipt.state is MessageState.UNSETTLED:
                if is_kept:
                    receipt.settle(MessageState.KEPT)
                else:
                    receipt.settle(MessageState.REFUSED, MessageReason.ENDED)
            receipt.close()
        self._open.clear()
