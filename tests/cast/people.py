"""Who runs the programs: the registry's owner, people, operators and visitors of the help desk.

Before an operator or visitor acts, their own program must have shown what the action depends on:
the output of the visitor's program says nothing about what the operator's program has received.
"""

import asyncio
import contextlib
import itertools
import re
from collections.abc import Sequence
from typing import Final

from tests.cast.desk import EMPTY, waiting
from tests.cast.lines import beginning
from tests.cast.program import WITHIN, Program

_numbers: Final = itertools.count()
_ROW: Final = re.compile(r"\[(\S+) (is online|was last seen [-0-9: ]{16})\.\]")


class Serving(Program):
    """A program at which somebody serves visitors."""

    async def gets(self, name: str) -> None:
        """Wait until this visitor is served here."""
        await self.sees(beginning("[Next client; waited "))
        await self.sees_all(f"Name: {name}", "Number: +919876543210", "Issue: Other")

    async def room_is(self, *names: str) -> None:
        """Wait until `.room` shows these waiting visitors, in this order."""
        await self.type(".room")
        await self.sees(f"[Waiting room: {len(names)}.]" if names else EMPTY)
        for number, name in enumerate(names, 1):
            await self.sees(waiting(number, name))


class Registry(Serving):
    """A registry, and its own terminal."""


class Person(Serving):
    """A peer at a prompt."""

    async def answer(self, *typed: str) -> list[str]:
        """Return what is shown from the moment the program reads these lines until it has carried
        them out: the answers, and lines that arrive meanwhile."""
        number = next(_numbers)
        before, behind = (f'[Unknown command "/{side}{number}"' for side in ("before", "behind"))
        await self.type(f"/before{number}", *typed, f"/behind{number}")
        places = []
        for fence in map(beginning, (before, behind)):
            await self.sees(fence)
            places.append(next(at for at, line in enumerate(self.lines) if fence(line.text)))
        return [line.text for line in self.lines[places[0] + 1 : places[1]]]

    async def who(self) -> dict[str, str]:
        """Return what `/who all` shows now: `is online` or `was last seen <time>` for each name."""
        rows = (_ROW.fullmatch(line) for line in await self.answer("/who all"))
        return {row[1]: row[2] for row in rows if row}

    async def knows(self, *online: str, away: Sequence[str] = ()) -> None:
        """Wait until this person's table contains this; asked again after each change."""
        while True:
            table = await self.who()
            if all(table.get(name) == "is online" for name in online) and all(
                table.get(name, "").startswith("was last seen") for name in away
            ):
                return
            await self.sees("[Client table updated.]")


class Visitor(Program):
    """A visitor of the help desk, at a prompt."""

    async def fills_in(self) -> None:
        """Fill in the form."""
        await self.sees("[Your full name:]")
        await self.type(self.name, "9876543210", "6")

    async def stands_at(self, place: int) -> None:
        """Ask until the visitor, who may be coming back just now, is told this place."""
        told = re.compile(rf"\[You are number {place} in the waiting room.*")
        async with asyncio.timeout(WITHIN):
            while True:
                await self.type(".queue")
                with contextlib.suppress(AssertionError):
                    await self.sees(told, within=2.0)
                    return
