"""Receipts: what became of each message of ours, for programs that wait for it."""

import asyncio
import weakref
from collections.abc import Iterable
from typing import Final

from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.events import Event, MessageChanged, MessageReason, MessageState, Said
from chatapp.peer.api.requests import Sent

_UNDER_WAY: Final = frozenset({MessageState.UNSETTLED, MessageState.KEPT})


class Receipt:
    """The receipt of one message. `state` is UNSETTLED at first. It may change from KEPT to another
    one when a way opens, and from SAVED to DELIVERED or EXPIRED."""

    __slots__ = (
        "__weakref__",
        "_is_over",
        "_waiters",
        "conversation",
        "id",
        "reason",
        "state",
        "through_server",
    )

    def __init__(self, conversation: Conversation, id_: int) -> None:
        self.conversation: Final = conversation
        self.id: Final = id_
        """The id of the line in our history, on every event about it; 0 for a message that was
        never begun."""
        self.state = MessageState.UNSETTLED
        self.reason: MessageReason | None = None
        """Why it is KEPT, REFUSED or EXPIRED, if there is more to say than that the registry is
        away."""
        self.through_server = False
        """Whether a delivered message went through the registry."""
        self._is_over = False
        self._waiters: list[asyncio.Future[None]] | None = None
        """A future for each waiter, so that cancelling one takes the answer from no other. Mostly
        nobody waits."""

    def __repr__(self) -> str:
        state = self.state.name if self.state is not MessageState.UNSETTLED else "under way"
        reason = "" if self.reason is None else f": {self.reason.meaning}"
        return f"<Receipt of {self.id} to {str(self.conversation)!r}: {state}{reason}>"

    @property
    def is_final(self) -> bool:
        """Whether the state never changes again: DELIVERED, REFUSED or EXPIRED; of a line to a
        group, SAVED as well."""
        if self.state is MessageState.SAVED:
            return not self.conversation.is_person
        return self.state not in _UNDER_WAY

    async def settled(self) -> MessageState:
        """Wait for the first state after UNSETTLED, some seconds at most."""
        while self.state is MessageState.UNSETTLED:
            await self._change()
        return self.state

    async def final(self) -> MessageState:
        """Wait for the state that never changes again (`is_final`). For somebody who is away, this
        takes until they fetch their mail and hear from us again, or until the mail expires after 21
        days. Raises NotOpen when the peer is closed first: the message goes its way, and this
        receipt does not learn of it."""
        while not self.is_final:
            if self._is_over:
                raise NotOpen
            await self._change()
        return self.state

    def sent(self) -> Sent:
        """Return what the receipt says now."""
        return Sent(
            conversation=self.conversation,
            id=self.id,
            state=self.state,
            reason=self.reason,
            through_server=self.through_server,
        )

    def settle(
        self,
        state: MessageState,
        reason: MessageReason | None = None,
        *,
        through_server: bool = False,
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


class Receipts:
    """All receipts that may still change."""

    def __init__(self) -> None:
        self._open: dict[int, Receipt] = {}
        self._saved: weakref.WeakValueDictionary[int, Receipt] = weakref.WeakValueDictionary()
        """Receipts of saved messages, which may wait for weeks, as long as somebody holds them."""
        self._is_first = True
        self.is_alone = True
        """Whether the newest message found nothing else under way, and so did the one before it: a
        program that sends one at a time. The first of many that are sent together finds nothing
        either, but the one before it did."""

    def open(self, conversation: Conversation, id_: int) -> Receipt:
        """Return a receipt for a message that has just been begun."""
        is_first = not self._open
        self.is_alone, self._is_first = is_first and self._is_first, is_first
        receipt = self._open[id_] = Receipt(conversation, id_)
        return receipt

    def of(self, line: Said) -> Receipt:
        """Return the receipt of a line that is under way."""
        if (known := self._open.get(line.id)) is not None:
            return known
        receipt = self.open(line.conversation, line.id)
        receipt.state = line.state or MessageState.UNSETTLED
        return receipt

    def note(self, changed: MessageChanged) -> None:
        """Update the receipt of a message, if there is one."""
        self.note_all((changed,))

    def note_all(self, events: Iterable[Event]) -> None:
        """Update the receipts that events concern."""
        receipts, kept, saved = self._open, MessageState.KEPT, MessageState.SAVED
        for event in events:
            if type(event) is MessageChanged:
                receipt = receipts.pop(event.id, None)
                if receipt is None and (receipt := self._saved.pop(event.id, None)) is None:
                    continue
                state = event.state
                receipt.settle(state, event.reason, through_server=event.through_server)
                if state is kept:
                    receipts[event.id] = receipt
                elif state is saved and not receipt.is_final:
                    self._saved[event.id] = receipt

    def close(self, *, is_kept: bool) -> None:
        """Close all receipts: the peer is being closed. `is_kept`: what is still under way is on
        disk and goes out at the next start."""
        for receipt in (*self._open.values(), *self._saved.values()):
            if receipt.state is MessageState.UNSETTLED:
                if is_kept:
                    receipt.settle(MessageState.KEPT)
                else:
                    receipt.settle(MessageState.REFUSED, MessageReason.ENDED)
            receipt.close()
        self._open.clear()
        self._saved.clear()


def sent_of(line: Said) -> Sent:
    """Return how far a line of ours is, as the history tells it: in the words of events, the
    registry has SAVED a line of a group."""
    state = line.state or MessageState.UNSETTLED
    if state is MessageState.DELIVERED and not line.conversation.is_person:
        state = MessageState.SAVED
    return Sent(conversation=line.conversation, id=line.id, state=state)


def changed(sent: Sent) -> MessageChanged:
    """Return the event that tells how far a line of ours is."""
    return MessageChanged(
        conversation=sent.conversation,
        id=sent.id,
        state=sent.state,
        reason=sent.reason,
        through_server=sent.through_server,
    )
