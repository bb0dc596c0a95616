"""Answers of many lines, cut so that they fit a line of the protocol (clause 5.4)."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from chatapp.peer.api.events import Said
from chatapp.peer.api.node import Node
from chatapp.peer.api.past import FoundLine, FoundLines, Lines, Unshown
from chatapp.peer.api.requests import (
    Conversations,
    FindLines,
    ListConversations,
    ListUnshown,
    ReadAround,
    ReadPage,
    ReadTalk,
    Request,
    SearchPast,
    Talk,
)
from chatapp.peer.rpc.protocol import LINES_TOGETHER, TEXT_TOGETHER


async def answered(node: Node, request: Request[Any]) -> Any:
    """Carry out a request. What does not fit is left out, and `more` says so: a client asks for
    the rest from there."""
    if isinstance(request, ReadPage | SearchPast | ListUnshown):
        request = replace(request, limit=min(request.limit, LINES_TOGETHER + 1))
    answer = await node.request(request)
    match request:
        case ReadPage(after=None) | SearchPast():
            return _newest(answer.lines)
        case ReadPage():
            return _oldest(answer.lines)
        case ListUnshown():
            kept = _first(line.text for line in answer.lines)
            return Unshown(lines=answer.lines[:kept], more=kept < len(answer.lines))
        case FindLines():
            kept = _first(_text_of(found) for found in answer.lines)
            return FoundLines(lines=answer.lines[:kept], more=kept < len(answer.lines))
        case ReadAround(id=id_):
            return _around(answer.lines, id_)
        case ListConversations():
            return _conversations(answer)
        case ReadTalk():
            return _talk(answer)
        case _:
            return answer


def _first(texts: Iterable[str]) -> int:
    """Return how many of these texts, from the first one on, fit together; at least one."""
    count = size = 0
    for text in texts:
        size += len(text.encode("utf-8", "surrogatepass"))
        if count and (count == LINES_TOGETHER or size > TEXT_TOGETHER):
            break
        count += 1
    return count


def _text_of(found: FoundLine | None) -> str:
    """Return all texts of a line together."""
    if found is None:
        return ""
    return "".join((found.line.text, *(version.text for version in found.versions)))


def _newest(lines: Sequence[Said]) -> Lines:
    kept = _first(line.text for line in reversed(lines))
    return Lines(lines=tuple(lines[len(lines) - kept :]), more=kept < len(lines))


def _oldest(lines: Sequence[Said]) -> Lines:
    kept = _first(line.text for line in lines)
    return Lines(lines=tuple(lines[:kept]), more=kept < len(lines))


def _around(lines: Sequence[Said], id_: int) -> Lines:
    """Keep the line with this id, those next to it, and as many of the others as fit."""
    place = next((at for at, line in enumerate(lines) if line.id == id_), 0)
    newer, older = _oldest(lines[place:]), _newest(lines[:place])
    both = (*older.lines, *newer.lines)
    kept = both if _first(line.text for line in both) == len(both) else newer.lines
    return Lines(lines=kept, more=len(kept) < len(lines))


def _conversations(answer: Conversations) -> Conversations:
    states = answer.conversations
    kept = _first("" if state.last is None else state.last.text for state in states)
    return Conversations(conversations=states[:kept], more=kept < len(states))


def _talk(answer: Talk) -> Talk:
    if answer.talk is None:
        return answer
    lines = answer.talk.lines
    kept = lines[: _first(line.text for line in lines)]
    return Talk(talk=replace(answer.talk, lines=kept), more=len(kept) < len(lines))
