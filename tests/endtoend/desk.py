"""The help desk in end-to-end tests: its lines, operators and visitors.

Before an operator or visitor acts, their own program must have shown what the action depends on:
the output of the visitor's program says nothing about what the operator's program has received.
"""

import asyncio
import contextlib
import re
from typing import Final

from tests.endtoend.lines import WELCOME, beginning
from tests.support.program import WITHIN, Program
from tests.support.stage import Stage

CONNECTED: Final = "[You are connected.]"
TURN: Final = "[It's your turn.]"
ACTIVE: Final = "[You are active.]"
NO_CLIENT: Final = "[No active client.]"
EMPTY: Final = "[Waiting room: empty.]"
NAME: Final = "[Your full name:]"
ENDED: Final = "[The operator has ended the session. Bye.]"
RESUMED: Final = "[Going on with your earlier request; /new gives it up and begins another.]"
TRYING: Final = "[Server not responding] Still trying."
LOST: Final = "[Server not responding] Still trying; your place is kept for 60 seconds."
ON_DUTY: Final = "[You are on duty at desk.]"


def position(number: int) -> str:
    return f"[Waiting room, position {number}.]"


def waiting(number: int, name: str) -> re.Pattern[str]:
    """Match a line of `.room`."""
    return re.compile(rf"{number}\. {name}, Other, waiting since .*")


async def operator(stage: Stage, name: str = "bob") -> Program:
    """Return a peer who is an operator on duty."""
    peer = await stage.peer(name)
    await peer.sees(WELCOME)
    await peer.type(".on")
    await peer.sees(ON_DUTY)
    return peer


async def visitor(
    stage: Stage, name: str, *options: str, server_port: int | None = None
) -> Program:
    """Return a visitor who has filled in the form."""
    program = await stage.visitor(name, *options, server_port=server_port)
    await program.sees(NAME)
    await program.type(name, "9876543210", "6")
    return program


async def joined(stage: Stage, name: str, at: int, *, server_port: int | None = None) -> Program:
    """Return a visitor who waits at this position."""
    program = await visitor(stage, name, server_port=server_port)
    await program.sees(position(at))
    return program


async def in_line(visitor: Program, at: int) -> None:
    """Ask until a visitor, who may be coming back just now, is told this place."""
    async with asyncio.timeout(WITHIN):
        while True:
            await visitor.type(".queue")
            with contextlib.suppress(AssertionError):
                await visitor.sees(
                    re.compile(rf"\[You are number {at} in the waiting room.*"), within=2.0
                )
                return


async def served(stage: Stage, name: str, *options: str, by: Program) -> Program:
    """Return a visitor who is served at once, as both programs know by now."""
    program = await visitor(stage, name, *options)
    await program.sees(CONNECTED)
    await comes(by, name)
    return program


async def comes(serving: Program, name: str) -> None:
    """Wait until this visitor is the operator's."""
    await serving.sees(beginning("[Next client; waited "))
    await serving.sees_all(f"Name: {name}", "Number: +919876543210", "Issue: Other")


async def room_is(serving: Program, *names: str) -> None:
    """Wait until `.room` shows these waiting visitors, in this order."""
    await serving.type(".room")
    if not names:
        await serving.sees(EMPTY)
    else:
        await serving.sees(f"[Waiting room: {len(names)}.]")
    for number, name in enumerate(names, 1):
        await serving.sees(waiting(number, name))
