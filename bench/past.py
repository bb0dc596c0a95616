"""H1 and P1: pages and words of a long history, in a real file."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self

from bench.figures import LOWER, Figure
from bench.machine import Failed, free_port, scratch
from bench.measures import Plan
from chatapp.peer.api.conversations import person, room
from chatapp.peer.core.records import FloorRaised, IncomingAdded, Named, Shown, group_mark
from chatapp.peer.history.database import History
from chatapp.peer.sdk.client import Peer
from chatapp.wire.address import server_name
from chatapp.wire.messages.rooms import CHANNEL

MESSAGES: Final = 10_000
LONG: Final = 1_000_000
"""Lines that a history keeps at most."""
PAGE: Final = 50
HELD_MAX: Final = 15.0
"""Milliseconds for which the event loop may be held: the interpreter lets a thread work for 5 ms at
a time."""
_WORDS_A_MESSAGE: Final = 12
_VOCABULARY: Final = 5_000
_SEARCHES: Final = 40
_AT_ONCE: Final = 500
_STREAM: Final = b"b" * 32


def h1(plan: Plan) -> Iterator[Figure]:
    """One word, as typed to its end, and the newest 50 lines with it; against SQLite's LIKE over
    the same table."""
    first: list[float] = []
    ours: list[float] = []
    scans: list[float] = []
    chance = random.Random(1)
    vocabulary = _vocabulary(chance)
    texts = _texts(chance, vocabulary, plan.count(MESSAGES))
    said = _words_of(texts)
    for _ in plan.rounds():
        words = chance.sample(said, _SEARCHES)
        with scratch() as folder:
            history = _written(folder / "history.db", texts)
            plain = sqlite3.connect(folder / "history.db")
            try:
                begin = time.perf_counter()
                history.lines.index.catch_up()
                history.lines.search(words[0], 50)
                first.append((time.perf_counter() - begin) * 1e3)
                ours.append(_each(words, partial(_find, history)))
                scans.append(_each(words, partial(_scan, plain)))
                _check(history, plain, words)
            finally:
                plain.close()
                history.close()
    yield Figure(
        goal="H1",
        what=f"a search among {len(texts):,} messages",
        unit="us",
        ours=ours,
        against="SQLite LIKE",
        theirs=scans,
        sense=LOWER,
        bound=0.5,
    )
    yield Figure(
        goal="H1",
        what=f"the first search, none of {len(texts):,} in the index",
        unit="ms",
        ours=first,
        sense=LOWER,
        bound=100.0,
    )


def p1(plan: Plan) -> Iterator[Figure]:
    """Pages, a place in the middle, and words, in the longest history that there is: of one
    conversation of it, through the SDK of a running peer. A ticking task shows how long the event
    loop is held meanwhile."""
    chance = random.Random(2)
    texts = _texts(chance, _vocabulary(chance), plan.count(LONG))
    found: dict[str, list[float]] = {}
    with scratch() as folder:
        asyncio.run(_measure_past(folder, texts, plan, found))
    for what, milliseconds in found.items():
        yield Figure(
            goal="P1",
            what=f"{what}, {len(texts):,} lines",
            unit="ms",
            ours=milliseconds,
            sense=LOWER,
            bound=20.0
            if "search" in what or "all" in what
            else HELD_MAX
            if "held" in what
            else 5.0,
        )


async def _measure_past(
    folder: Path, texts: list[str], plan: Plan, found: dict[str, list[float]]
) -> None:
    chance, said = random.Random(3), _words_of(texts)
    server = ("127.0.0.1", free_port())  # nobody is there: reading needs nobody
    peer = Peer("alice", server, home=folder)
    await peer.open()
    await peer.close()
    await asyncio.to_thread(write_mixed, peer.folder / "history.db", server_name(*server), texts)
    bob = person("bob")
    await peer.open()
    try:
        for _ in plan.rounds():
            words = chance.sample(said, _SEARCHES)
            places = chance.sample(range(PAGE, len(texts)), _SEARCHES)
            past = peer.past
            reads: dict[str, list[Awaitable[Sequence[object]]]] = {
                "the newest page of a conversation": [past.page(bob) for _ in words],
                "a page of a conversation before a line": [
                    past.page(bob, before=id_) for id_ in places
                ],
                "a page around a line": [past.around(id_) for id_ in places],
                "a page of a room": [past.page(room("lab")) for _ in words],
                "a search": [past.search(word) for word in words],
                "a search in a conversation": [
                    past.search(word, conversation=bob) for word in words
                ],
                "all conversations": [past.conversations() for _ in words],
            }
            held = 0.0
            for what, asked in reads.items():
                async with _Ticking() as ticking:
                    begin = time.perf_counter()
                    for one in asked:
                        if not await one:
                            raise Failed(f"{what}: nothing was found")
                    spent = time.perf_counter() - begin
                found.setdefault(what, []).append(spent / len(asked) * 1e3)
                held = max(held, ticking.longest)
            found.setdefault("the loop was held at most", []).append(held * 1e3)
    finally:
        await peer.close()


class _Ticking:
    """A task that comes to turn as often as the event loop lets it, and notes the longest time in
    between."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _tick(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.0005)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - 0.0005)
            last = now


def write_mixed(path: Path, server: str, texts: list[str]) -> None:
    """Write a history of one person with whom most is said, of a room of twenty, and of the
    channel."""
    history = History(path, server=server)
    mark, members = group_mark("#lab"), [bytes([65 + number]) * 32 for number in range(20)]
    streams = [_STREAM, *(mark + one for one in members), group_mark(CHANNEL) + members[0]]
    history.apply([Named(_STREAM, "bob"), *(Named(one, f"m{one[0]}") for one in members)])
    chance, last = random.Random(4), dict.fromkeys(streams, 0)
    weights = [20, *([1] * len(members)), 10]
    for start in range(0, len(texts), _AT_ONCE):
        records = []
        for text in texts[start : start + _AT_ONCE]:
            (stream,) = chance.choices(streams, weights)
            last[stream] += 1
            records.append(IncomingAdded(stream, last[stream], 1_700_000_000_000, text, late=False))
        history.apply(records)
    for stream, number in last.items():
        history.apply([Shown(stream, number), FloorRaised(stream, number + 1)])
    while history.lines.index.catch_up(100_000):
        pass
    history.close()


def _vocabulary(chance: random.Random) -> list[str]:
    return [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 9)))
        for _ in range(_VOCABULARY)
    ]


def _texts(chance: random.Random, vocabulary: list[str], count: int) -> list[str]:
    return [" ".join(chance.choices(vocabulary, k=_WORDS_A_MESSAGE)) for _ in range(count)]


def _words_of(texts: list[str]) -> list[str]:
    """Words that the newest texts hold, in the order of the alphabet."""
    return sorted({word for text in texts[-MESSAGES:] for word in text.split()})


def _written(path: Path, texts: list[str]) -> History:
    history = History(path, server="here")
    for start in range(0, len(texts), _AT_ONCE):
        some = enumerate(texts[start : start + _AT_ONCE], start + 1)
        history.apply(
            [IncomingAdded(_STREAM, number, number, text, late=False) for number, text in some]
        )
    return history


def _find(history: History, word: str) -> int:
    return len(history.lines.search(word, 50))


def _scan(db: sqlite3.Connection, word: str) -> int:
    statement = "SELECT id, text FROM lines WHERE text LIKE ? ORDER BY id DESC LIMIT 50"
    return len(db.execute(statement, (f"%{word}%",)).fetchall())


def _each(words: list[str], search: Callable[[str], int]) -> float:
    """Return the microseconds of a search."""
    begin = time.perf_counter()
    for word in words:
        search(word)
    return (time.perf_counter() - begin) / len(words) * 1e6


def _check(history: History, plain: sqlite3.Connection, words: list[str]) -> None:
    """Check that LIKE finds every line that begins with the word."""
    for word in words:
        if not 0 < len(history.lines.search(word, 50)) <= _scan(plain, word):
            raise Failed(f"the index and LIKE do not agree about {word}")
