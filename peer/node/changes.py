"""Replies, edits, retractions and reactions: what a line is, and whether it may be changed so."""

from typing import TYPE_CHECKING, assert_never

from chatapp.peer.api import requests
from chatapp.peer.api.conversations import Conversation
from chatapp.peer.api.errors import ChangeRefusal, ChangeRefused
from chatapp.peer.api.requests import Outcome, Sending, Sent
from chatapp.peer.core.folding import CHANGED_WITHIN_MS
from chatapp.peer.core.records import Related, RelationKind
from chatapp.peer.history.query import StoredLine, identity_of, shown
from chatapp.wire.emoji import is_emoji
from chatapp.wire.names import is_same_name

if TYPE_CHECKING:
    from chatapp.peer.node.local import PeerNode
    from chatapp.peer.node.receipts import Receipt


async def begin(node: "PeerNode", request: Sending) -> "Receipt":
    """Begin a message that is something to another one. Raises as the request."""
    match request:
        case requests.Send(conversation=where, text=text, reply_to=id_) if id_ is not None:
            line, conversation = await _line(node, id_)
            if identity_of(conversation) != identity_of(where):
                raise ChangeRefused(ChangeRefusal.ELSEWHERE)
            return await node.say(where, text, _related(line, RelationKind.REPLY))
        case requests.Send(conversation=where, text=text):
            return await node.say(where, text)
        case requests.Edit(id=id_, text=text):
            return await _change_ours(node, id_, RelationKind.EDIT, text)
        case requests.Retract(id=id_):
            return await _change_ours(node, id_, RelationKind.RETRACT, "")
        case requests.React(id=id_, emoji=emoji, is_on=is_on):
            if not is_emoji(emoji):
                raise ChangeRefused(ChangeRefusal.NO_EMOJI)
            line, conversation = await _line(node, id_)
            kind = RelationKind.REACT if is_on else RelationKind.UNREACT
            return await node.say(conversation, emoji, _related(line, kind))
        case _:
            assert_never(request)


async def answer(node: "PeerNode", request: Sending) -> Sent:
    """Carry a request out that sends something; the answer comes with what it waits for."""
    receipt = await node.send(request)
    if request.wait is Outcome.SETTLED:
        await receipt.settled()
    elif request.wait is Outcome.FINAL:
        await receipt.final()
    return receipt.sent()


async def _change_ours(node: "PeerNode", id_: int, kind: RelationKind, text: str) -> "Receipt":
    line, conversation = await _line(node, id_)
    if not line.outgoing:
        raise ChangeRefused(ChangeRefusal.NOT_OURS)
    if node.core.wall(node.now()) * 1_000 > line.at_ms + CHANGED_WITHIN_MS:
        raise ChangeRefused(ChangeRefusal.TOO_OLD)
    return await node.say(conversation, text, _related(line, kind))


async def _line(node: "PeerNode", id_: int) -> tuple[StoredLine, Conversation]:
    """Return a line that may be changed or answered, and its conversation."""
    line = await node.storage.read(lambda lines: lines.by_id(id_), by_index=False)
    if line is None or line.is_change:
        raise ChangeRefused(ChangeRefusal.NO_SUCH_LINE)
    if line.folded is not None and line.folded.is_retracted:
        raise ChangeRefused(ChangeRefusal.TAKEN_BACK)
    conversation = shown(line, node.name).conversation
    if conversation.is_person and not _is_of(node, conversation.name, line.stream):
        raise ChangeRefused(ChangeRefusal.OTHER_KEY)
    return line, conversation


def _is_of(node: "PeerNode", name: str, stream: bytes) -> bool:
    """Whether messages to this name go where those of this stream went."""
    if is_same_name(name, node.name):
        return stream == node.core.me.identity.public
    contact = node.core.roster.contacts.by_name(name)
    return contact is None or contact.identity == stream


def _related(line: StoredLine, kind: RelationKind) -> Related:
    return Related(kind, line.stream, is_ours=line.outgoing, number=line.number)
