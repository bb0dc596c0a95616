"""The examples run and do what they say."""

import asyncio
import re
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from examples.theatre import Play
from tests.cast.lines import SAVED, beginning, mail, received
from tests.cast.program import WITHIN
from tests.cast.stage import Stage


async def test_the_demo_plays_the_main_job(stage: Stage) -> None:
    demo = await stage.run("demo", [sys.executable, "-m", "examples.demo"], home="demo")
    assert await demo.ends(within=3 * WITHIN) == 0
    assert re.fullmatch(r"Everything went well: \d+ checks in \d+\.\d s", demo.lines[-1].text)
    assert len(demo.shown(lambda line: "  saw    " in line)) > 50


def test_a_scene_that_cannot_be_played_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    play = Play()
    assert play.scene("13. The web", needs=("starlette", "uvicorn"))
    assert not play.scene("14. Screens", needs=("starlette", "no_library", "no_other"))
    assert play.scene("15. The end")
    assert capsys.readouterr().out.splitlines() == [
        "",
        "13. The web",
        "",
        "14. Screens",
        "         not played: no-library and no-other not installed",
        "",
        "15. The end",
    ]


@pytest.mark.parametrize(
    "start", ["", "trap '' INT; "], ids=["in front", "started with SIGINT ignored"]
)
async def test_a_demo_that_is_interrupted_leaves_nothing_behind(stage: Stage, start: str) -> None:
    command = ["sh", "-c", f'{start}exec "$0" -m examples.demo', sys.executable]
    demo = await stage.run("demo", command, home="demo")
    folder = re.search(
        r"/\S*chatapp-demo-[^/]*", await demo.sees(lambda line: "chatapp-demo-" in line)
    )
    port = re.search(
        r"-c alice 127\.0\.0\.1 (\d+)", await demo.sees(lambda line: "-c alice" in line)
    )
    assert folder and port
    demo.signal(signal.SIGINT)
    assert await demo.ends() == 130
    assert folder[0] not in temporary_folders(folder[0])
    await stage.registry(port=int(port[1]))


async def test_the_picture_can_be_drawn_again(stage: Stage) -> None:
    words = ["-m", "examples.picture", str(stage.folder), "room"]
    scene = await stage.run("scene", [sys.executable, *words], home="scene")
    assert await scene.ends(within=3 * WITHIN) == 0
    assert (stage.folder / "pictures" / "room.png").read_bytes().startswith(b"\x89PNG")
    drawn = (stage.folder / "terminal.svg").read_text(encoding="utf-8")
    texts = ["".join(one.itertext()) for one in ET.fromstring(drawn).findall("{*}text")]
    assert texts.count("erin") == 2
    assert any("listthepeopleinyourroom" in text for text in texts)  # blanks need no drawing


def temporary_folders(one: str) -> list[str]:
    """Return the temporary folders beside this one."""
    return [str(folder) for folder in Path(one).parent.iterdir()]


async def test_the_echo_bot_answers_messages(stage: Stage) -> None:
    await stage.registry()
    command = [sys.executable, "-m", "examples.echo_bot", "echo", "127.0.0.1", str(stage.port)]
    (alice,) = await stage.welcome("alice")
    bot = await stage.run("echo", command, home="echo")
    await alice.knows("echo")
    await alice.type(
        "send echo hello", "send echo ✓ again", "send_all not you", f"send echo {'long ' * 5_000}"
    )
    await alice.sees_times(3, received("echo"))
    await alice.sees_all("echo: hello", "echo: ✓ again", f"echo: {'long ' * 5_000}")
    bot.signal(signal.SIGINT)
    assert await bot.ends() == 0
    await alice.knows(away=["echo"])

    await alice.type("send echo later")
    await alice.sees(SAVED)
    again = await stage.run("echo", command, home="echo")
    await alice.sees(
        lambda line: line == "echo: later" or bool(mail("echo", "later").fullmatch(line))
    )
    assert len(alice.shown(beginning("echo: "))) == 4
    twin = await stage.run("echo", command, home="another")
    assert await twin.ends() == 1
    assert twin.complaints.pop() == 'the name "echo" is taken'
    await again.stops()


async def test_the_echo_bot_names_a_wrong_argument(stage: Stage) -> None:
    words = [
        ["echo", "127.0.0.1"],
        ["echo", "127.0.0.1", "http"],
        ["echo", "127.0.0.1", "80"],
        ["a/b", "127.0.0.1", "5000"],
    ]
    bots = [
        await stage.run("echo", [sys.executable, "-m", "examples.echo_bot", *typed], home="echo")
        for typed in words
    ]
    assert await asyncio.gather(*(bot.ends() for bot in bots)) == [1, 1, 1, 1]
    for bot, culprit in zip(bots, ("usage", "http", "80", "a/b"), strict=True):
        (line,) = bot.complaints
        assert culprit in line
        bot.complaints.clear()
