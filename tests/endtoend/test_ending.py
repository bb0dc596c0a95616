"""How peers and registries end: end of input, signals, closed pipes."""

import asyncio
import os
import signal
import subprocess

import pytest

from tests.cast.lines import SAVED, WELCOME, beginning, is_met, mail, received
from tests.cast.stage import CHATAPP, PROMPT, Stage
from tests.endtoend.conftest import Hall
from tests.support.ports import free_port


@pytest.fixture(scope="module")
def is_forked() -> bool:
    """Each program begins as a user starts it."""
    return False


async def test_at_the_end_of_input_all_is_settled_first(hall: Hall) -> None:
    bob, carol = hall.bob, hall.carol
    carol.signal(signal.SIGSTOP)  # she is there, as far as anybody knows, and does not answer
    dave = await hall.stage.peer("dave")
    await dave.type("send bob hi", "send carol hello", "send_all everybody")
    await dave.end_input()
    assert await dave.ends() == 0
    for line in (WELCOME, received("bob"), SAVED, "[Message received by Server.]"):
        assert len(dave.shown(line)) == 1, str(dave)
    await bob.sees_all("dave: hi", "[Channel_Message dave: everybody]")
    carol.signal(signal.SIGCONT)
    await carol.sees(
        lambda line: line == "dave: hello" or bool(mail("dave", "hello").fullmatch(line))
    )
    await carol.knows("carol")
    assert len(carol.shown(beginning("dave: "))) == 1


async def test_a_script_may_come_all_at_once_and_without_a_last_line_end(hall: Hall) -> None:
    bob = hall.bob
    finn = await hall.stage.peer("finn")
    await finn.type_bytes(b"send bob one\r\nsend bob two\nsend bob three")
    await finn.end_input()
    assert await finn.ends() == 0
    await bob.sees_all("finn: one", "finn: two", "finn: three")
    late = await hall.stage.peer("finn")
    await late.type("send bob four", "quit", "send bob never")
    assert await late.ends() == 0
    await bob.sees("finn: four")
    assert bob.shown("finn: never") == []


async def test_with_stay_the_end_of_input_changes_nothing(hall: Hall) -> None:
    bob = hall.bob
    gina = await hall.stage.come("gina", "--stay", stdin=asyncio.subprocess.DEVNULL)
    await bob.knows("gina")
    await bob.type("send gina still there?")
    await gina.sees("bob: still there?")
    await gina.stops()
    await bob.knows(away=["gina"])


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)],
    ids=lambda it: str(int(it)),
)
async def test_signals_end_at_once_and_cleanly(
    stage: Stage, number: signal.Signals, status: int
) -> None:
    registry = await stage.registry()
    alice, bob = await stage.welcome("alice", "bob")
    alice.signal(number)
    assert await alice.ends() == status
    await bob.knows(away=["alice"])
    await bob.type("send alice nobody acknowledges this")
    await bob.sees(SAVED)
    early = await stage.peer("carol", server_port=free_port())  # before it is registered
    await early.type("send bob hi")
    registry.signal(number)
    assert await registry.ends() == status
    bob.signal(number)
    assert await bob.ends() == status
    assert (
        registry.lines[-1].text == f"[A firewall must let UDP and TCP port {stage.port} through.]"
    )


async def test_a_registry_without_an_input_goes_on(stage: Stage) -> None:
    registry = await stage.registry()
    await registry.end_input()
    alice, bob = await stage.welcome("alice", "bob")
    await alice.type("send bob hi")
    await bob.sees("alice: hi")
    assert not registry.has_ended


async def test_a_reader_that_goes_away_ends_the_peer(hall: Hall) -> None:
    bob = hall.bob
    reading, writing = os.pipe()
    hugo = await hall.stage.peer("hugo", stdout=writing)
    os.close(writing)
    await bob.knows("hugo")
    os.close(reading)
    await bob.type("send hugo hello?")
    assert await hugo.ends() == 0
    await bob.knows(away=["hugo"])


async def test_a_reader_that_reads_no_more_keeps_nobody_from_ending(hall: Hall) -> None:
    bob = hall.bob
    reading, writing = os.pipe()
    try:
        iris = await hall.stage.peer("iris", stdout=writing)
        os.close(writing)
        await bob.knows("iris")
        for _ in range(8):
            await bob.type(f"send iris {'x' * 20_000}")
        await bob.sees_times(
            8, beginning(received("iris"), SAVED)
        )  # long before, the pipe was full
        await iris.stops()
    finally:
        os.close(reading)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
async def test_closed_standard_streams_are_no_crash(hall: Hall, closed: str) -> None:
    bob = hall.bob
    mine = ["-c", "jack", "127.0.0.1", str(hall.stage.port), str(free_port())]
    shell = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *CHATAPP, *mine]
    jack = await hall.stage.run("jack", shell, home="jack", prompt=PROMPT)
    await jack.end_input()
    assert await jack.ends() == 0
    await bob.type("send bob undisturbed")
    await bob.sees("bob: undisturbed")


async def test_output_to_a_pipe_is_one_flushed_line_an_event(hall: Hall) -> None:
    mine = ["-c", "erin", "127.0.0.1", str(hall.stage.port), str(free_port()), "--plain"]
    process = await asyncio.create_subprocess_exec(
        *CHATAPP,
        *mine,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "CHATAPP_HOME": str(hall.stage.folder / "erin")},
    )
    async with asyncio.timeout(20):
        output, _ = await process.communicate(b"send erin hi\n")
    lines = output.decode().splitlines(keepends=True)
    assert all(line.startswith(">>> ") and line.endswith("\n") for line in lines)
    assert [line for line in lines if "table" not in line and not is_met(line[4:])] == [
        f">>> {WELCOME}\n",
        ">>> erin: hi\n",
        ">>> [Message received by erin.]\n",
    ]
