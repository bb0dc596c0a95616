"""Messages to ourselves: nothing is sent, but they are stored, delivered and shown like any message."""

from collections.abc import Iterable
from typing import Final

from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageState, Said
from chatapp.peer.core.context import Context
from chatapp.peer.core.conversation import Message, OutgoingStream
from chatapp.peer.core.records import (
    Named,
    OutgoingAdded,
    OutgoingChanged,
    OutgoingMoved,
    Record,
    StoredStream,
)


class NotesToSelf:
    """Messages to ourselves: nothing is sent, but they are stored, delivered and shown like any
    message."""

    def __init__(self, ctx: Context, stored: StoredStream) -> None:
        self._ctx: Final = ctx
        self._outgoing = OutgoingStream(stored)
        self._outgoing.messages.clear()
        self._out = ctx.out
        self._numbered = False
        self.written: list[Message] = []

    def write(self, text: str, *, wall: float) -> Message:
        """Write a note. It is delivered when it is stored."""
        message = self._outgoing.add(text, wall=wall, id_=self._out.new_id())
        key = self._ctx.me.identity.public
        self._write(message, OutgoingAdded(key, message.number, message.at_ms, text, message.id))
        return message

    def take(self, stream: bytes, kept: Iterable[Message], *, wall: float) -> None:
        """Take messages of another stream: they were kept for a name that has become ours."""
        for one in kept:
            message = self._outgoing.add(one.text, wall=wall, id_=one.id)
            message.at_ms = one.at_ms
            self._write(
                message,
                OutgoingMoved(stream, one.number, self._ctx.me.identity.public, message.number),
            )

    def _write(self, message: Message, record: Record) -> None:
        key = self._ctx.me.identity.public
        if not self._numbered:
            self._out.records.append(Named(key, self._ctx.me.name))
        self._numbered = True
        self._out.records += [
            record,
            OutgoingChanged(key, message.number, MessageState.DELIVERED, message.at_ms),
        ]
        self.written.append(message)

    def stored(self) -> None:
        """Deliver the notes that are on disk now."""
        written, self.written = self.written, []
        for message in written:
            name, key, at = self._ctx.me.name, self._ctx.me.identity.public, message.at_ms / 1_000
            self._outgoing.settle(message, MessageState.DELIVERED)
            self._out.events += [
                Said(
                    conversation=person(name),
                    id=message.id,
                    sender=name,
                    identity=key,
                    number=message.number,
                    text=message.text,
                    at=at,
                ),
                MessageChanged(
                    conversation=person(name), id=message.id, state=MessageState.DELIVERED
                ),
            ]
