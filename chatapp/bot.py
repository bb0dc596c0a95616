"""Bots: functions that answer what people write.

    bot = Bot()

    @bot.on_message
    async def echo(message: Message) -> str:
        return message.text

    @bot.command("time")
    def tell_time(message: Message) -> str:
        return time.strftime("%H:%M")

    bot.run("echo", ("192.0.2.1", 5000), rooms="lab")

A handler is a function, async or not, of one `Message`. What it returns, if it is not empty, is
said where the message came from. An error of a handler is logged and ends nothing.
"""

import asyncio
import contextlib
import inspect
import logging
import signal
import sqlite3
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from chatapp import ChatAppError, Conversation, ConversationKind, NotOpen, Peer, Receipt, events

__all__ = ["Bot", "Handler", "Message", "Report", "Task"]

WAITING_MAX: Final = 1_000
"""Messages that wait for handlers at most. While there are more, the bot reads no further ones."""

MINUTE: Final = 60.0

ENTERS_AGAIN_AFTER: Final = 10.0
"""Seconds after which a bot asks again for a room that it was not let into; twice as long after
each further refusal."""

ENTERS_AGAIN_WITHIN: Final = 600.0
"""Seconds between two such requests at most."""

_log = logging.getLogger("chatapp.bot")

Handler = Callable[["Message"], Awaitable[str | None] | str | None]
"""Handles a message, and returns what is to be answered."""

Task = Callable[[Peer], Awaitable[None] | None]
"""Is done again and again."""

Report = Callable[[Exception, "Message | None"], object]
"""Learns of an error of a handler and its message, or of a task."""

AnyHandler = TypeVar("AnyHandler", bound=Handler)
AnyTask = TypeVar("AnyTask", bound=Task)
AnyReport = TypeVar("AnyReport", bound=Report)


class Allowance:
    """How many answers each conversation still gets."""

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._times: dict[Conversation, deque[float]] = {}

    def take(self, conversation: Conversation, *, now: float) -> bool:
        """Use up one answer; False if there is none left."""
        times = self._times.setdefault(conversation, deque())
        while times and now - times[0] >= MINUTE:
            times.popleft()
        if len(times) >= self._a_minute:
            _log.warning("no answer: %s has had %d within a minute", conversation, len(times))
            return False
        times.append(now)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to a bot, or a line that it can read."""

    peer: Peer
    """The bot's peer, for everything that the SDK offers."""
    line: events.Said
    """The line, with the conversation in which it was said."""
    argument: str
    """For a command, what follows its name; else empty."""
    allowance: Allowance = field(repr=False)
    """The answers that are left."""

    @property
    def sender(self) -> str:
        """The name of the author."""
        return self.line.sender

    @property
    def text(self) -> str:
        """The whole text."""
        return self.line.text

    @property
    def room(self) -> str | None:
        """The room in which it was said; None outside of rooms."""
        conversation = self.line.conversation
        return conversation.name if conversation.is_room else None

    @property
    def is_addressed(self) -> bool:
        """Whether it is to the bot alone, or has `@` and the bot's name in it."""
        return self.line.is_for(self.peer.name)

    async def answer(self, text: str) -> Receipt | None:
        """Say this where the message came from: to its author, in the room, or to everybody.
        Returns None if that conversation has had all answers that it gets in a minute. Raises as
        `Peer.send`."""
        if not self.allowance.take(self.line.conversation, now=asyncio.get_running_loop().time()):
            return None
        if self.line.conversation.is_person:
            return await self.peer.send(self.sender, text)
        if self.line.conversation.is_room:
            return await self.peer.say(self.line.conversation.name, text)
        return await self.peer.send_all(text)

    async def reply(self, text: str) -> Receipt | None:
        """Answer this line; as `answer` otherwise, and raises as `Peer.reply`."""
        if not self.allowance.take(self.line.conversation, now=asyncio.get_running_loop().time()):
            return None
        return await self.peer.reply(self.line, text)

    async def react(self, emoji: str, *, is_on: bool = True) -> Receipt:
        """Put an emoji to this line, or take it away. Raises as `Peer.react`."""
        return await self.peer.react(self.line, emoji, is_on=is_on)


class _Duties:
    """What a bot does, as its decorators have said."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.commands: dict[str, Handler] = {}
        self.handlers: dict[ConversationKind, list[Handler]] = {}
        self.tasks: list[tuple[float, Task]] = []
        self.reports: list[Report] = []

    def handlers_of(self, line: events.Said) -> tuple[list[Handler], str]:
        """Return who handles a line, and the argument if it is a command."""
        if line.text.startswith(self._prefix):
            name, _, argument = line.text[len(self._prefix) :].partition(" ")
            if (handler := self.commands.get(name.casefold())) is not None:
                return [handler], argument.strip()
        return self.handlers.get(line.conversation.kind, []), ""

    async def call(self, handle: Callable[[], object], message: Message | None) -> object:
        """Return what a handler returns; None after an error, which is reported."""
        try:
            result = handle()
            return await result if inspect.isawaitable(result) else result
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends nothing
            _log.exception("a handler of the bot failed")
            for report in self.reports:
                try:
                    report(error, message)
                except Exception:  # noqa: BLE001
                    _log.exception("the report of an error failed")
        return None


class Bot:
    """A bot. The decorators say what it does, `run` runs it as a program, `serve` inside a program
    of yours.

    It does not hear itself, nor authors who may be others than they say (`AuthorDoubt`). It answers
    direct messages that came while it was away, and no lines of a room or of the channel from
    before its start. No conversation gets more than `answers_a_minute`, so that two bots which
    answer each other fall silent. Messages of one conversation are handled one after the other, and
    other conversations do not wait for them. A message counts as shown when it was handled, so one
    that a crash interrupts is handled again after it."""

    def __init__(self, *, prefix: str = "!", answers_a_minute: int = 20) -> None:
        """`prefix`: what the texts of commands begin with."""
        self._duties = _Duties(prefix)
        self._answers_a_minute = answers_a_minute

    # --- what it does

    def on_message(self, handler: AnyHandler) -> AnyHandler:
        """Call this for each message to the bot alone that is no command."""
        return self._register(ConversationKind.PERSON, handler)

    def on_room(self, handler: AnyHandler) -> AnyHandler:
        """Call this for each line in the bot's rooms that is no command."""
        return self._register(ConversationKind.ROOM, handler)

    def on_channel(self, handler: AnyHandler) -> AnyHandler:
        """Call this for each line to everybody that is no command."""
        return self._register(ConversationKind.EVERYBODY, handler)

    def command(self, name: str) -> Callable[[AnyHandler], AnyHandler]:
        """Call this for each text of the prefix and this name, wherever it is said. Raises
        ValueError for a name that is no single word, or has a handler already."""
        key = name.casefold()
        if key.split() != [key] or key in self._duties.commands:
            raise ValueError(f"a command is one word, and each has one handler: {name!r}")

        def register(handler: AnyHandler) -> AnyHandler:
            self._duties.commands[key] = handler
            return handler

        return register

    def every(self, seconds: float) -> Callable[[AnyTask], AnyTask]:
        """Call this with the peer each time so many seconds have passed. Raises ValueError."""
        if not seconds > 0:
            raise ValueError(f"a task is repeated after more than 0 seconds, not after {seconds}")

        def register(task: AnyTask) -> AnyTask:
            self._duties.tasks.append((seconds, task))
            return task

        return register

    def on_error(self, report: AnyReport) -> AnyReport:
        """Call this with each error of a handler and its message (None for a task), after the error
        was logged."""
        self._duties.reports.append(report)
        return report

    def _register(self, kind: ConversationKind, handler: AnyHandler) -> AnyHandler:
        self._duties.handlers.setdefault(kind, []).append(handler)
        return handler

    # --- running

    def run(
        self,
        name: str,
        server: tuple[str, int] | None = None,
        *,
        rooms: str | Sequence[str] = (),
        home: Path | None = None,
        code: str | None = None,
        registry_key: str | None = None,
    ) -> None:
        """Run until Ctrl-C or SIGTERM. The arguments are those of `Peer`. Without a server, attach
        to the program that runs under this name on this machine (`Peer.attach`), and leave it alone
        at the end. Raises SystemExit, which prints one clear line, if the bot cannot run, is not
        let in, or the other program ends."""
        try:
            if server is None:
                asyncio.run(self._until_signal(Peer.attach(name, home=home), rooms=rooms))
            else:
                peer = Peer(
                    name, server, rooms=rooms, home=home, code=code, registry_key=registry_key
                )
                asyncio.run(self._until_signal(peer))
        except (ChatAppError, OSError, sqlite3.Error) as error:
            sys.exit(str(error))

    async def _until_signal(self, peer: Peer, *, rooms: str | Sequence[str] = ()) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        with contextlib.suppress(asyncio.CancelledError):  # leaving `async with` closes the peer
            async with peer:
                for room in (rooms,) if isinstance(rooms, str) else rooms:
                    peer.enter_room(room)
                await self.serve(peer)
                sys.exit(f"the program that ran {peer.name} has ended")

    async def serve(self, peer: Peer) -> None:
        """Answer at an open peer, or an attached one, whose events no other loop of this program
        reads, until it is closed. Raises NotOpen, and NotLetIn when the registry does not let it in
        any more."""
        await peer.ready()
        await _Service(peer, self._duties, Allowance(self._answers_a_minute)).run()


class _Service:
    """A bot at work at one peer."""

    def __init__(self, peer: Peer, duties: _Duties, allowance: Allowance) -> None:
        self._peer = peer
        self._duties = duties
        self._allowance = allowance
        self._queues: dict[Conversation, deque[events.Said]] = {}
        """The lines of each conversation that wait or are being handled."""
        self._handled = asyncio.Event()
        self._enters_again_after = ENTERS_AGAIN_AFTER
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until the peer is closed."""
        try:
            for span, task in self._duties.tasks:
                self._begin(self._repeat(span, task))
            # What is here already is from before the start, or came while the peer became ready.
            await self._read(self._peer.take_events(), is_start=True)
            while batch := await self._peer.next_events():
                await self._read(batch)
        finally:
            for begun in self._tasks:
                begun.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        begun = asyncio.create_task(work)
        self._tasks.add(begun)
        begun.add_done_callback(self._tasks.discard)

    async def _read(self, batch: list[events.Event], *, is_start: bool = False) -> None:
        for event in batch:
            match event:
                case events.MailReturned(lines=lines):
                    for line in lines:
                        if isinstance(line, events.Said) and line.file is None:
                            await self._take(line, is_old=is_start)
                        else:
                            self._peer.events_shown([line])
                case events.Said(visit=0, file=None):
                    await self._take(event, is_old=is_start and event.is_late)
                case events.Line(visit=0):
                    self._peer.events_shown([event])
                case (
                    events.NameUnavailable()
                    | events.AdmissionRefused()
                    | events.RegistryKeyChanged()
                ):
                    await self._peer.ready()  # raises NotLetIn, unless it is over already
                case events.RoomEntryDenied(room=room, reason=reason):
                    self._enter_later(room, reason)
                case events.EnteredRoom():
                    self._enters_again_after = ENTERS_AGAIN_AFTER
                case _:
                    pass

    def _enter_later(self, room: str, reason: events.RoomEntryRefusal) -> None:
        """Say that the bot is not in this room, and ask again later."""
        name, why = self._peer.name, reason.meaning
        if reason is events.RoomEntryRefusal.INVALID_NAME:
            _log.error("%s cannot enter the room %s: %s", name, room, why)
            return
        seconds = self._enters_again_after
        _log.error("%s cannot enter the room %s: %s; again in %d s", name, room, why, seconds)
        self._enters_again_after = min(2 * seconds, ENTERS_AGAIN_WITHIN)
        self._begin(self._enter(room, seconds))

    async def _enter(self, room: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        with contextlib.suppress(NotOpen):
            self._peer.enter_room(room)

    async def _take(self, line: events.Said, *, is_old: bool) -> None:
        """Queue a line for its handlers, unless the bot does not answer it. `is_old`: it is from
        before the start."""
        is_wrong = line.doubt is not None if line.conversation.is_person else is_old
        if is_wrong or line.sender == self._peer.name:
            self._peer.events_shown([line])
            return
        while sum(map(len, self._queues.values())) >= WAITING_MAX:
            self._handled.clear()
            await self._handled.wait()
        if line.conversation in self._queues:
            self._queues[line.conversation].append(line)
        else:
            self._queues[line.conversation] = deque([line])
            self._begin(self._handle_all(line.conversation))

    async def _handle_all(self, conversation: Conversation) -> None:
        """Handle the lines of a conversation until none is left."""
        queue = self._queues[conversation]
        while queue:
            await self._handle(queue[0])
            self._peer.events_shown([queue.popleft()])
            self._handled.set()
        del self._queues[conversation]

    async def _handle(self, line: events.Said) -> None:
        handlers, argument = self._duties.handlers_of(line)
        message = Message(peer=self._peer, line=line, argument=argument, allowance=self._allowance)
        for handler in handlers:
            answer = await self._duties.call(lambda handler=handler: handler(message), message)  # type: ignore[misc]
            if isinstance(answer, str) and answer:
                await self._duties.call(lambda answer=answer: message.answer(answer), message)  # type: ignore[misc]

    async def _repeat(self, span: float, task: Task) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + span
        while True:
            await asyncio.sleep(due - loop.time())
            await self._duties.call(lambda: task(self._peer), None)
            due = max(
                due + span, loop.time()
            )  # a task that takes longer than its span leaves out a turn
