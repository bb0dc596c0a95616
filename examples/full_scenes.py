"""Scenes of the full screen: a room, what can be opened above it, and the help desk."""

import re
import signal
from pathlib import Path
from typing import Final

from examples.drawing import DAY, NIGHT
from examples.seat import Picture, Pictures, Seat, seat
from examples.theatre import Stage

SIZES: Final = ((120, 40), (80, 24), (40, 12))
COLOURS: Final = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLORFGBG": "15;0"}
ALT_2 = "\x1b2"
F1, F2, F3, F5 = "\x1bOP", "\x1bOQ", "\x1bOR", "\x1b[15~"
CTRL_K, CTRL_T, ESCAPE, SHIFT_UP = "\x0b", "\x14", "\x1b", "\x1b[1;2A"


async def full(stage: Stage, home: Path) -> Pictures:
    """A room in which four people talk, with news elsewhere; and each overlay above it."""
    await stage.registry()
    bob, carol, erin, dave = [await stage.person(name) for name in ("bob", "carol", "erin", "dave")]
    for person in (bob, carol, erin, dave):
        await person.sees("[Welcome, You are registered.]")
    async with seat("alice", stage, home, "--full", **COLOURS) as alice:
        await alice.resizes(*SIZES[0])
        await alice.sees("everybody")
        alice.types("/join lab\r")
        await alice.sees("# lab")
        for person in (bob, carol, erin):
            await person.types("join lab")
            await alice.sees(f"{person.name} joined lab.")
        await erin.types("Good morning! The second probe is back since seven")
        await alice.sees("since seven")
        await bob.types("Did it come up by itself, or did you restart it?")
        await alice.sees("restart it?")
        await erin.types("By itself, at the second try. I have put the log on the shared disk")
        await alice.sees("By itself, at")
        alice.types(
            "Thank you, erin. I will look at the log before lunch and tell you what it says about the probe\r"
        )
        await alice.sees("Thank you, erin.")
        await carol.types("I see it too, and the log says that the other sensor is back as well ☕")
        await alice.sees("I see it too")
        await bob.types("alice: who starts the run tonight?")
        await alice.sees("tonight?")
        dave.send(signal.SIGTERM)
        await dave.ends(0)
        await alice.sees("○ dave")
        alice.types("/msg dave The key is at the front desk\r")
        await alice.sees("front desk")
        await alice.rests()
        alice.types("/query lab\r")
        await alice.sees("tonight?")
        alice.types("I do. The key for the lab is at the front desk\r")
        await alice.sees("is at the front desk")
        alice.types("/query bob\r")
        await alice.rests()
        await erin.types("Bien sûr, see you at eight")
        await carol.sees("erin (in lab): Bien sûr, see you at eight")
        await carol.types("alice, shall I bring the notebook?")
        await carol.types("/all The fire drill is at noon")
        await alice.rests()
        alice.types("/query lab\r")
        await alice.sees("notebook?")
        await bob.types("/msg alice Lunch at noon?")
        await bob.types("/msg alice I have a table by the window")
        await alice.rests()
        pictures: Pictures = {}
        for columns, rows in SIZES:
            await alice.resizes(columns, rows)
            pictures[f"full-{columns}x{rows}-dark"] = Picture(alice.still(), NIGHT, is_svg=True)
            alice.types(CTRL_T)
            await alice.rests()
            pictures[f"full-{columns}x{rows}-light"] = Picture(alice.still(), DAY, is_svg=True)
            alice.types(CTRL_T)
            await alice.rests()
        await alice.resizes(100, 30)
        pictures |= await _overlays(alice)
        return pictures


async def _overlays(alice: Seat) -> Pictures:
    """Open one overlay after the other."""
    pictures: Pictures = {}
    for name, keys, text in (
        ("search", F3 + "probe", "messages found."),
        ("help", F1, "commands."),
        ("goto", CTRL_K + "a", "Go to"),
        ("doctor", F2, "All is well."),
        ("why", SHIFT_UP * 3 + "\r", "was delivered"),
    ):
        for key in re.findall(r"\x1b\[[0-9;]*.|\x1bO.|.", keys, re.DOTALL):
            alice.types(key)
            await alice.rests()
        await alice.sees(text)
        await alice.rests()
        pictures[f"full-{name}"] = Picture(alice.still(), NIGHT)
        alice.types(ESCAPE)
        await alice.rests()
    return pictures


async def full_desk(stage: Stage, home: Path) -> Pictures:
    """An operator serves one visitor while others wait."""
    code = await stage.registry_with("alice")
    names = ("Asha Rao", "Ben Okafor", "Cleo Tan", "Dan Brown")
    visitors = [await stage.visitor(name) for name in names]
    async with seat("alice", stage, home, "--full", CHATAPP_CODE=code, **COLOURS) as alice:
        await alice.resizes(*SIZES[0])
        await alice.sees("everybody")
        alice.types(".on\r")
        await alice.sees("on duty")
        for place, visitor in enumerate(visitors):
            await visitor.types(visitor.name)
            await visitor.types(f"987654321{place}")
            await visitor.types(str(3 - place % 3))
            await visitor.sees(
                re.compile(r"\[(You are connected|Waiting room, position [123])\.\]")
            )
        await alice.sees("Asha Rao")
        await visitors[0].types("Hello! My marks in physics went down this term")
        await alice.sees("this term")
        alice.types("Thank you for writing. Since when?\r")
        await visitors[0].types("Since June, when we began with optics")
        await alice.sees("optics")
        alice.types(".note Wants extra lessons in optics\r")
        await alice.sees("extra lessons")
        await alice.rests()
        pictures: Pictures = {}
        for columns, rows in SIZES:
            await alice.resizes(columns, rows)
            pictures[f"full-desk-{columns}x{rows}"] = Picture(alice.still(), NIGHT)
        return pictures


async def full_changes(stage: Stage, home: Path) -> Pictures:
    """Two people answer, change and react, and see what the other one has read."""
    await stage.registry()
    async with (
        seat("alice", stage, home, "--full", "--seen", **COLOURS) as alice,
        seat("bob", stage, home.with_name("bob"), "--seen", **COLOURS) as bob,
    ):
        await alice.resizes(100, 30)
        await alice.sees("● bob")
        alice.types("/query bob\r")
        await alice.sees("Write to bob")
        alice.types("Lunch at noon?\r")
        await bob.sees("at noon?")
        bob.types("/query alice\r")
        await bob.sees("Talking to alice")
        bob.types("/reply Make it half past, the run takes until then\r")
        await alice.sees("half past")
        bob.types("/edit Make it half past twelve, the run takes until then\r")
        await alice.sees("(edited)")
        alice.types("/react ❤\r")
        await bob.sees("alice: ❤")
        alice.types("I have a table by the window\r")
        await bob.sees("by the window")
        bob.types("/react ☕\r")
        await alice.sees("☕ 1")
        bob.types("And tell erin\r")
        await alice.sees("tell erin")
        bob.types("/retract\r")
        await alice.sees("taken back")
        alice.types("Shall I bring the notebook?\r")
        await bob.sees("notebook?")
        await alice.rests()
        pictures: Pictures = {}
        for columns, rows in ((100, 30), (40, 12)):
            await alice.resizes(columns, rows)
            pictures[f"full-changes-{columns}x{rows}"] = Picture(alice.still(), NIGHT)
            alice.types(CTRL_T)
            await alice.rests()
            pictures[f"full-changes-{columns}x{rows}-light"] = Picture(alice.still(), DAY)
            alice.types(CTRL_T)
            await alice.rests()
        return pictures


FULL_SCENES: Final = {"full": full, "full-desk": full_desk, "full-changes": full_changes}
