"""S1 to S3: an idle peer's memory at the registry, a peer's time to its first prompt, and its CPU
while nothing happens."""

import os
import pty
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.crowd import Crowd
from bench.figures import LOWER, Figure
from bench.machine import CHECKOUT, Failed, Process, free_port, scratch
from bench.measures import Plan
from bench.members import Member
from bench.registry import RegistryProcess

FEW, MANY = 200, 2_000
_PROMPT: Final = b">>>"
_PATIENCE: Final = 60.0
"""Seconds. The first start compiles every module."""
_CALM_AFTER, _IDLE_FOR = 3.0, 12.0
"""Seconds. A peer gives a sign of life every ten."""


def s1(plan: Plan) -> Iterator[Figure]:
    """Bytes resident, as the slope between few and many people online, each with a link."""
    few, many = (FEW, MANY) if not plan.is_quick else (50, 250)
    slopes: list[float] = []
    for _ in plan.rounds(3):
        counter = time.time_ns() // 1_000_000
        with scratch() as folder, RegistryProcess(folder / "data") as registry:
            members = [Member(index, counter=counter) for index in range(many)]
            with Crowd(registry.servers, members[:few], sockets=100) as first:
                first.join()
                first.quiet(1.0)
                before = registry.memory()
                with Crowd(registry.servers, members[few:], sockets=100) as rest:
                    rest.join()
                    rest.quiet(1.0)
                    slopes.append((registry.memory() - before) / (many - few) / 1024)
    yield Figure(
        goal="S1",
        what=f"registry memory a peer, {few} to {many:,} online",
        unit="KiB",
        ours=slopes,
        sense=LOWER,
        bound=8.0,
    )


def s2(plan: Plan) -> Iterator[Figure]:
    """From `exec` to the prompt, with a registry that answers. Files are in the page cache, and
    modules are compiled."""
    on_terminal: list[float] = []
    on_pipe: list[float] = []
    bare: list[float] = []
    imports: list[float] = []
    with scratch() as folder, RegistryProcess(folder / "registry") as registry:
        command = [
            sys.executable,
            str(CHECKOUT / "ChatApp.py"),
            "-c",
            "starter",
            "127.0.0.1",
            str(registry.port),
        ]
        environment = {
            **user_environment(folder / "compiled"),
            "CHATAPP_HOME": str(folder / "starter"),
        }
        for number in range(plan.rounds_wanted + 1):
            words = [*command, str(free_port())]
            bare.append(_span([sys.executable, "-c", "pass"], environment))
            imports.append(
                _span([sys.executable, "-c", "import chatapp.peer.faces.line.start"], environment)
            )
            on_terminal.append(_until_prompt(words, environment, is_terminal=True))
            on_pipe.append(_until_prompt(words, environment, is_terminal=False))
            if number == 0:  # the first start makes keys and fills caches
                for one in (on_terminal, on_pipe, bare, imports):
                    one.clear()
    plan.side(
        "S2",
        **{
            "on a pipe, s": statistics.median(on_pipe),
            "imports alone, s": statistics.median(imports),
            "python -c pass, s": statistics.median(bare),
        },
    )
    yield Figure(
        goal="S2",
        what="start to first prompt, on a terminal",
        unit="s",
        ours=on_terminal,
        sense=LOWER,
        bound=0.20,
    )


def s3(plan: Plan) -> Iterator[Figure]:
    """CPU of a peer that does nothing among many who are online and do nothing."""
    online = 1_000 if not plan.is_quick else 100
    shares: list[float] = []
    with scratch() as folder, RegistryProcess(folder / "registry") as registry:
        counter = time.time_ns() // 1_000_000
        members = [Member(index, counter=counter) for index in range(online - 1)]
        with Crowd(registry.servers, members, sockets=100) as crowd:
            crowd.join()
            crowd.quiet(1.0)
            words = [
                sys.executable,
                "-m",
                "bench.node",
                "idler",
                f"127.0.0.1:{registry.port}",
                str(folder / "idler"),
                "1",
            ]
            with Process(words) as idler:
                if idler.told() != "ready":
                    raise Failed("the peer did not start")
                time.sleep(_CALM_AFTER)
                for _ in plan.rounds(3):
                    before, began = idler.cpu(), time.monotonic()
                    time.sleep(_IDLE_FOR)
                    shares.append((idler.cpu() - before) / (time.monotonic() - began) * 100)
    yield Figure(
        goal="S3",
        what=f"CPU of an idle peer among {online:,}",
        unit="% of a core",
        ours=shares,
        sense=LOWER,
        bound=0.3,
    )


def user_environment(compiled: Path) -> dict[str, str]:
    """The environment of a user, for whom Python keeps compiled modules. Where
    PYTHONDONTWRITEBYTECODE is set, each start would compile every module of ours anew, which takes
    longer than all the rest."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _span(command: list[str], environment: dict[str, str]) -> float:
    start = time.monotonic()
    subprocess.run(command, check=True, cwd=CHECKOUT, env=environment, timeout=_PATIENCE)
    return time.monotonic() - start


def _until_prompt(command: list[str], environment: dict[str, str], *, is_terminal: bool) -> float:
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    keyboard = theirs if is_terminal else subprocess.PIPE
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=keyboard,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        cwd=CHECKOUT,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while _PROMPT not in seen:
            ready, _, _ = select.select([ours], [], [], _PATIENCE)
            piece = os.read(ours, 4_096) if ready else b""
            if not piece:
                raise Failed(f"no prompt: {seen[-200:]!r}")
            seen += piece
            if is_terminal and b"\x1b[6n" in piece:
                os.write(ours, b"\x1b[1;1R")  # where the cursor is: a terminal answers that
        return time.monotonic() - start
    except OSError as error:
        raise Failed(f"no prompt: {error}; {seen[-200:]!r}") from None
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(ours)
        if process.stdin is not None:
            process.stdin.close()
