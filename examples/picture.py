"""Draw pictures of ChatApp on a real terminal: scenes that end, as PNG, and the full screen's and
the README's as SVG too.

python -m examples.picture docs             # docs/pictures/* and docs/terminal.svg
python -m examples.picture docs talk full   # these scenes alone

A registry and people run on free loopback ports, one of them at a pseudo-terminal. Her screen at
the end of the scene is drawn character by character, as a terminal emulator shows it. The scene
`full` draws one full screen in three sizes, on a dark and on a light ground, and what can be opened
above it. The scenes `web`, `operator` and `browser` paint pages, where
Chromium is installed.
"""

import asyncio
import re
import signal
import sys
from pathlib import Path
from typing import Final

from examples import web_pictures
from examples.drawing import drawn, painted
from examples.full_scenes import FULL_SCENES
from examples.seat import Picture, Pictures, seat
from examples.theatre import Play, Stage, StepFailed, stage_for

PLAYED_WITHIN: Final = 240.0


async def talk(stage: Stage, home: Path) -> Pictures:
    """Two people talk; one of them goes away, and a message is saved for him."""
    await stage.registry()
    bob = await stage.person("bob")
    await bob.sees("[Welcome, You are registered.]")
    async with seat("alice", stage, home) as alice:
        await alice.sees("2 online")
        alice.types("send bob Did the probe come up?\r")
        await alice.sees("up?  ✓")
        await bob.types(
            "send alice Yes, at the second try. The log says that the other sensor is back as well"
        )
        await alice.sees("second try")
        alice.types("/query bob\r")
        await alice.sees("to bob")
        alice.types("Good. Lunch at noon?\r")
        await alice.sees("noon?  ✓")
        bob.send(signal.SIGSTOP)
        alice.types("And bring the notebook, please\r")
        await alice.sees("try 3 of 5")
        return {"talk": Picture(alice.still())}


async def room(stage: Stage, home: Path) -> Pictures:
    """Three people in a room."""
    await stage.registry()
    bob, erin = await stage.person("bob"), await stage.person("erin")
    for person in (bob, erin):
        await person.sees("[Welcome, You are registered.]")
    async with seat("alice", stage, home) as alice:
        await alice.sees("3 online")
        alice.types("send bob Did the samples arrive?\r")
        await alice.sees("arrive?  ✓")
        await bob.types("send alice Yes, all twelve ✓")
        await alice.sees("all twelve")
        alice.types("join lab\r")
        await alice.sees("[You are in lab")
        for person in (bob, erin):
            await person.types("join lab")
            await alice.sees(f"{person.name} joined lab.")
        await erin.types("Who starts the run tonight?")
        await alice.sees("tonight?")
        await bob.types("Alice has the key, I can stay until nine")
        await alice.sees("until nine")
        alice.types("I do. Erin, will you bring the coffee?\r")
        await erin.sees("alice (in lab): I do. Erin, will you bring the coffee?")
        await erin.types("Bien sûr ☕")
        await alice.sees("sûr")
        alice.types("/n\t")
        await alice.sees("list the people in your room")
        return {"room": Picture(alice.still())}


async def doctor(stage: Stage, home: Path) -> Pictures:
    """A person asks why the server does not answer."""
    registry = await stage.registry()
    async with seat("alice", stage, home) as alice:
        await alice.sees("1 online")
        registry.send(signal.SIGTERM)
        await registry.ends(0)
        await alice.sees("server away")
        await alice.sees("[Type /doctor to find out why.]")
        alice.types("/doctor\r")
        await alice.sees("problems found")
        await alice.sees("server away")
        return {"doctor": Picture(alice.still())}


async def desk(stage: Stage, home: Path) -> Pictures:
    """An operator of the help desk serves one visitor while another waits."""
    code = await stage.registry_with("alice")
    visitors = [await stage.visitor(name) for name in ("Asha Rao", "Ben Okafor")]
    async with seat("alice", stage, home, CHATAPP_CODE=code) as alice:
        await alice.sees("1 online")
        alice.types(".on\r")
        await alice.sees("on duty")
        for visitor, answers in zip(
            visitors, (("9876543210", "3"), ("9876543211", "5")), strict=True
        ):
            await visitor.types(visitor.name)
            for answer in answers:
                await visitor.types(answer)
            await visitor.sees(re.compile(r"\[(You are connected|Waiting room, position 1)\.\]"))
        await alice.sees("Asha Rao")
        await visitors[0].types("Hello! My marks in physics went down this term")
        await alice.sees("this term")
        alice.types("Thank you for writing. Since when?\r")
        alice.types(".room\r")
        await alice.sees("1. Ben Okafor")
        return {"desk": Picture(alice.still())}


SCENES: Final = {"talk": talk, "room": room, "doctor": doctor, "desk": desk, **FULL_SCENES}


BROWSED: Final = {
    "web": web_pictures.picture,
    "operator": web_pictures.operator_picture,
    "browser": web_pictures.own_picture,
}
"""The scenes whose picture is a browser's: the web desk, and the pages of an operator and of a person."""


async def play(scene: str, pictures: Path) -> Pictures | None:
    """Play a scene. Returns its pictures; None if something went wrong. `pictures`: where the
    browser puts its own."""
    try:
        async with stage_for(Play()) as stage, asyncio.timeout(PLAYED_WITHIN):
            if scene in BROWSED:
                await BROWSED[scene](stage, pictures / f"{scene}.png")
                return {}
            return await SCENES[scene](stage, stage.folder / "alice")
    except (StepFailed, TimeoutError) as failure:
        print(f"FAILED: {scene}: {str(failure) or repr(failure)}", flush=True)
        return None


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "pictures").mkdir(exist_ok=True)
    for name in sys.argv[2:] or (*SCENES, *BROWSED):
        if name in BROWSED and web_pictures.CHROMIUM is None:
            print(f"The picture {name} needs Chromium (Debian, Ubuntu: apt-get install chromium)")
            continue
        pictures = asyncio.run(play(name, folder / "pictures"))
        if pictures is None:
            sys.exit(1)
        for file, (screen, look, is_svg) in pictures.items():
            painted(screen, folder / "pictures" / f"{file}.png", look)
            if is_svg:
                (folder / "pictures" / f"{file}.svg").write_text(
                    drawn(screen, look), encoding="utf-8"
                )
        if name == "room":
            (folder / "terminal.svg").write_text(drawn(pictures[name].screen), encoding="utf-8")
