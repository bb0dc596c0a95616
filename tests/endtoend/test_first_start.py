"""The first start of a newcomer: `ChatApp` alone asks, remembers, and goes on as a peer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cast.lines import WELCOME, taken
from tests.cast.stage import Stage
from tests.cast.terminal import CTRL_C, CTRL_D, Terminal

QUESTION = "Server (address and port, such as 192.168.1.5 5000)"


class Newcomer:
    """Terminals on which somebody starts ChatApp; all are closed at the end."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.terminals: list[Terminal] = []

    async def start(self, *words: str) -> Terminal:
        terminal = await Terminal.open(*words, home=self.home)
        self.terminals.append(terminal)
        return terminal


@pytest_asyncio.fixture(loop_scope="session")
async def newcomer(stage: Stage) -> AsyncIterator[Newcomer]:
    newcomer = Newcomer(stage.folder / "newcomer")
    yield newcomer
    for terminal in newcomer.terminals:
        await terminal.clear_away()


async def test_a_newcomer_is_asked_and_comes_back_with_enter_alone(
    stage: Stage, newcomer: Newcomer
) -> None:
    await stage.registry()
    first = await newcomer.start()
    await first.shows("Your name: ")
    first.press("alice\r")
    await first.shows(f"{QUESTION}: ")
    first.press(f"127.0.0.1:{stage.port}\r")
    await first.shows("Room to enter (may stay empty): ")
    first.press("lab\r")
    await first.shows(WELCOME)
    await first.shows("[You are in lab, alone so far.]")
    first.press(CTRL_D)
    assert await first.ends() == 0

    second = await newcomer.start()
    await second.shows("Your name [alice]: ")
    second.press("\r")
    await second.shows(f"{QUESTION} [127.0.0.1 {stage.port}]: ")
    second.press("\r")
    await second.shows("Room to enter (may stay empty): ")
    second.press("\r")
    await second.shows(WELCOME)


async def test_a_name_without_a_server_is_asked_for_it(stage: Stage, newcomer: Newcomer) -> None:
    await stage.registry()
    alice = await newcomer.start("-c", "alice")
    await alice.shows(f"{QUESTION}: ")
    alice.press(f"localhost {stage.port}\r")
    await alice.shows(WELCOME)


@pytest.mark.parametrize(("key", "statuses"), [(CTRL_D, {0}), (CTRL_C, {130, -2})])
async def test_a_question_can_be_left(
    stage: Stage, newcomer: Newcomer, key: str, statuses: set[int]
) -> None:
    alice = await newcomer.start()
    await alice.shows("Your name: ")
    alice.press(key)
    assert await alice.ends() in statuses  # -2: ended by the signal, which a shell shows as 130
    assert "Traceback" not in alice.text


async def test_a_taken_name_is_asked_for_again(stage: Stage, newcomer: Newcomer) -> None:
    await stage.registry()
    await stage.welcome("alice")
    start = await newcomer.start("-c", "alice", "127.0.0.1", str(stage.port))
    await start.shows(taken("alice"))
    await start.shows("Another name: ")
    start.press("bob\r")
    await start.shows(WELCOME)
    assert [folder.name for folder in (newcomer.home / "peers").iterdir()] == ["n-bob"]
    second = await newcomer.start("-c", "bob")
    await second.shows("[Second window of ")
    await second.shows("[Here: alice.]")
    await second.shows("2 online")
    second.press("send alice hi\r")
    await second.shows("✓")
    second.press(CTRL_D)
    assert await second.ends() == 0


async def test_the_doctor_is_offered_once_when_the_server_is_away(
    stage: Stage, newcomer: Newcomer
) -> None:
    registry = await stage.registry()
    alice = await newcomer.start("-c", "alice", "127.0.0.1", str(stage.port))
    await alice.shows(WELCOME)
    await registry.kill()
    await alice.shows("[Server not responding] Direct chat goes on.")
    await alice.shows("[Type /doctor to find out why.]")
    alice.press("/doctor\r")
    await alice.shows("nothing runs on that port there. Start the server")
    await alice.shows("[2 problems found.]")
    registry = await stage.registry()
    await alice.shows("[Server is back.]")
    await registry.kill()
    await alice.shows("[Server not responding] Direct chat goes on.")
    alice.press("dereg bob\r")
    await alice.shows("[You are alice, not bob.]")
    assert alice.text.count("[Type /doctor to find out why.]") == 1

    bob = await newcomer.start("-c", "bob", "127.0.0.1", str(stage.port))
    await bob.shows("[Exiting]")
    await bob.shows(f"[To find out why: ChatApp doctor 127.0.0.1 {stage.port}]")
    assert await bob.ends() == 1


async def test_without_a_terminal_nobody_is_asked(stage: Stage) -> None:
    for words in ([], ["-c", "alice"]):
        assert len(await stage.output_of(*words, home="script", status=2)) == 1


NOBODY_NAMED = "[Nobody was named: bob: hello sends it to bob, "
FIRST_LINES = [
    ("hello", NOBODY_NAMED),
    ("hi bob", NOBODY_NAMED),
    ("thanks!", NOBODY_NAMED),
    ("@bob are you there?", NOBODY_NAMED),
    ("/help", "send <name> <text>"),
    ("help me", "send <name> <text>"),
    ("who", "[bob is online.]"),
    ("/list", '[Unknown command "/list": nothing was sent. Did you mean "/rooms"?]'),
    ("bye", '[Unknown command "bye": nothing was sent. Did you mean "/quit"?]'),
    ("send hello", "[Usage: send <name> <text>]"),
    ("/query bob", "[Talking to bob. /query ends it.]"),
]
"""What newcomers type first, and how the answer begins."""


async def test_what_newcomers_type_first_is_done_or_gets_the_cure(stage: Stage) -> None:
    await stage.registry()
    bob, alice = await stage.welcome("bob", "alice")
    for typed, answer in FIRST_LINES:
        shown = await alice.answer(typed)
        assert any(line.startswith(answer) for line in shown), (typed, shown)
    await alice.type("hello at last", "/msg bob hi", "join lab")
    await bob.sees("alice: hello at last")
    await bob.sees("alice: hi")
    await alice.sees("[You are in lab, alone so far.]")
    await alice.type("/send bob are you there")
    await bob.sees("alice: are you there")
    await alice.quits("/quit")
