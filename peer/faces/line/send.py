"""`ChatApp send`: send one message to each of some people, wait for their fates, report them by exit
status and one line or JSON object each, and leave. Or offer a file, and stay until all have it."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.errors import FileRefused, NotLetIn, NotOpen, NotResponding
from chatapp.peer.api.events import MessageState, ProgramEnded
from chatapp.peer.api.files import FileReply, FileState
from chatapp.peer.faces.opening import (
    CLOSES_WITHIN,
    NotOpened,
    elsewhere_line,
    is_same_server,
    note_start,
    open_or_attach,
    peer_for,
    tell_registry,
    tell_search,
)
from chatapp.peer.faces.program import INTERRUPTED, StartOptions, start_logging
from chatapp.peer.node.receipts import Receipt
from chatapp.peer.sdk.client import Peer
from chatapp.peer.words import files
from chatapp.peer.words.answers import EMPTY_MESSAGE, attachment_lines, not_attached_line
from chatapp.peer.words.events import lines_of
from chatapp.peer.words.formatting import LINE_MAX
from chatapp.wire.address import Address
from chatapp.wire.errors import TextTooLong

if TYPE_CHECKING:
    from rich.progress import Progress

DELIVERED: Final = 0
SAVED: Final = 3
FAILED: Final = 4
"""The message stays in our own outbox, was refused, or could not be sent at all."""

SETTLES_WITHIN: Final = 30.0
"""Seconds after which the message counts as kept. All ways of delivery together take ten at most; a
script must not hang."""

FREE_WITHIN: Final = 10.0
"""Seconds to wait for a folder that another program holds without offering itself, such as a second
`ChatApp send`."""

_OUTCOMES: Final = {
    MessageState.DELIVERED: ("delivered", DELIVERED),
    MessageState.SAVED: ("saved", SAVED),
    MessageState.KEPT: ("kept", FAILED),
    MessageState.REFUSED: ("refused", FAILED),
    MessageState.EXPIRED: ("refused", FAILED),
}


def run(
    wanted: StartOptions, *, to: Sequence[str], text: str | None, as_json: bool, log_level: str
) -> int:
    """Send `text`, or else what standard input holds, to each of these people. Returns the exit
    status, the highest of all: 0 delivered, 3 saved, 4 kept or failed."""
    start_logging(log_level)
    try:
        text = _standard_input() if text is None else text
        if not text.strip():
            return _failed(to, EMPTY_MESSAGE, as_json=as_json)
        errand = Errand(
            to, as_json=as_json, carry_out=lambda peer: _say(peer, to, text, as_json=as_json)
        )
        return asyncio.run(_send(peer_for(wanted), wanted.registry_key, errand))
    except KeyboardInterrupt:
        return INTERRUPTED


def run_file(wanted: StartOptions, *, to: Sequence[str], path: str, log_level: str) -> int:
    """Offer a file to each of these people, and wait until they have it. Returns the exit status,
    the highest of all: 0 if somebody has it, 3 if they are away and the offer waits for them, 4 if
    they do not want it."""
    start_logging(log_level)
    errand = Errand(to, as_json=False, carry_out=lambda peer: _give(peer, to, path))
    try:
        return asyncio.run(_send(peer_for(wanted), wanted.registry_key, errand))
    except KeyboardInterrupt:
        return INTERRUPTED


class Errand(NamedTuple):
    """What is done with a peer that is open."""

    to: Sequence[str]
    as_json: bool
    carry_out: Callable[[Peer], Awaitable[int]]


def _standard_input() -> str:
    """Read standard input without its last line end. Of more than a message can hold, enough is
    read to be refused."""
    raw = sys.stdin.buffer.read(LINE_MAX)
    return raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


async def _send(peer: Peer, registry_key: str | None, errand: Errand) -> int:
    """Send by the program that runs under this name, else by one of our own for as long as that
    takes."""
    try:
        running = await open_or_attach(peer, shows=False, within=FREE_WITHIN)
    except NotOpened as error:
        return _failed(errand.to, *error.lines, as_json=errand.as_json)
    if running is not None:
        return await _send_through(running, peer.servers, registry_key, errand)
    return await _send_and_leave(peer, errand)


async def _send_through(
    running: Peer, servers: Sequence[Address], registry_key: str | None, errand: Errand
) -> int:
    to, as_json = errand.to, errand.as_json
    try:
        if not await is_same_server(running, servers, registry_key):
            return _failed(to, elsewhere_line(running), as_json=as_json)
        return await errand.carry_out(running)
    except NotOpen:
        return _failed(to, *attachment_lines(ProgramEnded(name=running.name)), as_json=as_json)
    finally:
        await running.close(within=CLOSES_WITHIN)


async def _send_and_leave(peer: Peer, errand: Errand) -> int:
    peer.listen(tell_search)
    try:
        with contextlib.suppress(NotLetIn):  # an event says the same
            await peer.ready()
        before = [
            event for event in peer.take_events() if not isinstance(event, events.SearchingServers)
        ]
        if not _is_in(before):
            return _failed(errand.to, *_lines(before), as_json=errand.as_json)
        note_start(peer, before)
        tell_registry(before)
        return await errand.carry_out(peer)
    finally:
        await peer.close(within=CLOSES_WITHIN)


async def _give(peer: Peer, to: Sequence[str], path: str) -> int:
    """Offer a file to each, and wait until all have it."""
    from rich.progress import Progress  # deferred: messages need it not

    with Progress(transient=True, disable=not sys.stdout.isatty()) as bar:
        return max(await asyncio.gather(*(_give_to(peer, one, path, bar) for one in to)))


async def _give_to(peer: Peer, to: str, path: str, bar: "Progress") -> int:
    """Offer a file to one person, and wait until they have it."""
    try:
        transfer = await peer.send_file(to, path)
    except FileRefused as refused:
        return _failed([to], files.not_done(refused), as_json=False)
    receipt = transfer.receipt
    assert receipt is not None
    if await receipt.settled() is not MessageState.DELIVERED:
        return _report(receipt, peer.take_events(), 0.0, as_json=False)
    print(files.offered_line(await transfer.now()), flush=True)
    task, before = bar.add_task("", total=None), None
    async for file in transfer:
        bar.update(task, completed=file.done, total=file.size, description=f"{file.name} to {to}")
        for line in files.progress_lines(file, before) if bar.disable else ():
            print(line, flush=True)
        if before is not None and before.done and not file.done:
            print(files.answer_line(to, file.name, FileReply.STOPPED), flush=True)
        before = file
    has_it = file.state is FileState.DONE
    reply = FileReply.HAS if has_it else FileReply.REFUSED
    print(files.answer_line(to, file.name, reply), flush=True)
    return DELIVERED if has_it else FAILED


async def _say(peer: Peer, to: Sequence[str], text: str, *, as_json: bool) -> int:
    """Say it to each, one after the other: what is told of one is not mixed with what is told of
    another."""
    return max([await _say_to(peer, one, text, as_json=as_json) for one in to])


async def _say_to(peer: Peer, to: str, text: str, *, as_json: bool) -> int:
    started = asyncio.get_running_loop().time()
    receipt: Receipt | None = None
    try:
        async with asyncio.timeout(SETTLES_WITHIN):
            receipt = await peer.send(to, text)
            await receipt.settled()
    except TextTooLong as error:
        too_long = events.TooLong(conversation=person(to), size=error.size, limit=error.limit)
        return _failed([to], *lines_of(too_long), as_json=as_json)
    except TimeoutError:
        if receipt is None:
            return _failed([to], not_attached_line(str(NotResponding(peer.name))), as_json=as_json)
        receipt.settle(MessageState.KEPT)
    seconds = asyncio.get_running_loop().time() - started
    return _report(receipt, peer.take_events(), seconds, as_json=as_json)


def _is_in(batch: Sequence[events.Event]) -> bool:
    """Whether the registry let us in, or we can work with the table of an earlier run."""
    return any(
        isinstance(event, events.Registered)
        or (isinstance(event, events.NoServerAtStart) and event.table_time is not None)
        for event in batch
    )


def _lines_about(receipt: Receipt, batch: Sequence[events.Event]) -> list[str]:
    """Say what became of a message. Its events may be missing: a busy program has more than are
    kept for us."""
    ways = [
        event
        for event in batch
        if isinstance(event, events.Unacknowledged) and event.id == receipt.id
    ]
    changed = events.MessageChanged(
        conversation=receipt.conversation,
        id=receipt.id,
        state=receipt.state,
        reason=receipt.reason,
        through_server=receipt.through_server,
    )
    return _lines([*ways, changed])


def _report(
    receipt: Receipt, events: Sequence[events.Event], seconds: float, *, as_json: bool
) -> int:
    outcome, status = _OUTCOMES[receipt.state]
    if as_json:
        _print_json(
            to=receipt.conversation.name,
            id=receipt.id,
            outcome=outcome,
            through_server=receipt.through_server,
            seconds=round(seconds, 3),
            reason="" if receipt.reason is None else receipt.reason.name.lower(),
        )
    else:
        print(*_lines_about(receipt, events), sep="\n", flush=True)
    return status


def _failed(to: Sequence[str], *lines: str, as_json: bool) -> int:
    """Report that nothing was sent."""
    if as_json:
        reason = " ".join(line.removeprefix("[").removesuffix("]") for line in lines)
        for one in to:
            _print_json(
                to=one, id=0, outcome="refused", through_server=False, seconds=0.0, reason=reason
            )
    else:
        for line in lines:
            print(line, file=sys.stdout if line.startswith("[") else sys.stderr, flush=True)
    return FAILED


def _print_json(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def _lines(events: Sequence[events.Event]) -> list[str]:
    return [line for event in events for line in lines_of(event)]
