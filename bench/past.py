"""H1 and P1: pages and words of a long history, in a real file."""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.figures import LOWER, Figure
from bench.machine import Failed, scratch
from bench.measures import Plan
from chatapp.peer.core.records import IncomingAdded
from chatapp.peer.history.database import History

MESSAGES: Final = 10_000
LONG: Final = 1_000_000
"""Lines that a history keeps at most."""
PAGE: Final = 50
_WORDS_A_MESSAGE: Final = 12
_VOCABULARY: Final = 5_000
_SEARCHES: Final = 40
_AT_ONCE: Final = 500
_STREAM: Final = b"b" * 32


def h1(plan: Plan) -> Iterator[Figure]:
    """One word, as typed to its end, and the newest 50 lines with it; against SQLite's LIKE over the same table."""
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
        against="(a number)",
        theirs=[],
        sense=LOWER,
        bound=100.0,
    )


def p1(plan: Plan) -> Iterator[Figure]:
    """The newest page, and a word, in the longest history that there is. Both block who asks: a peer asks on its loop."""
    chance = random.Random(2)
    texts = _texts(chance, _vocabulary(chance), plan.count(LONG))
    said = _words_of(texts)
    pages: list[float] = []
    searches: list[float] = []
    with scratch() as folder:
        history = _written(folder / "history.db", texts)
        try:
            while history.lines.index.catch_up(100_000):
                pass
            for _ in plan.rounds():
                words = chance.sample(said, _SEARCHES)
                pages.append(_each(words, lambda _: len(history.lines.latest(PAGE))) / 1e3)
                searches.append(_each(words, partial(_find, history)) / 1e3)
        finally:
            history.close()
    for what, found, bound in (("a page of 50 lines", pages, 5.0), ("a search", searches, 20.0)):
        yield Figure(
            goal="P1",
            what=f"{what} out of {len(texts):,}",
            unit="ms",
            ours=found,
            against="(a number)",
            theirs=[],
            sense=LOWER,
            bound=bound,
        )


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
        history.apply([IncomingAdded(_STREAM, number, number, text, late=False) for number, text in some])
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
