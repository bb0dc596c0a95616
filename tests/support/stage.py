"""The programs of one test: a registry and peers on free ports, each with a home of its own."""

import asyncio
import itertools
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from chatapp.validation import CODE_SHOWN
from tests.support.ports import free_port
from tests.support.program import CHECKOUT, Program

CHATAPP: Final = (sys.executable, str(CHECKOUT / "ChatApp.py"))
LOSSY: Final = Path(__file__).parent / "lossy"
PROMPT: Final = ">>> "
QUIET: Final = {"CHATAPP_ANNOUNCE": "false", "CHATAPP_DISCOVER": "false"}
"""Keeps tests that run side by side from finding each other's registries."""


def copy_folder(folder: Path, copy: Path) -> Path:
    """Copy a program's folder with all its files, as a backup does, but without its sockets."""
    return shutil.copytree(folder, copy, ignore=_sockets)


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]


class Stage:
    """The programs of one test, each with a home of its own below `folder`, all of them gone when
    it closes."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self.port: Final = free_port()
        """The registry's port."""
        self.programs: list[Program] = []
        self.codes: dict[str, str] = {}
        """The codes for the first start of operators, as printed by the registry."""
        self._ports: dict[str, int] = {}

    async def registry(
        self,
        *options: str,
        home: str = "registry",
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = CHATAPP,
    ) -> Program:
        """Start the registry and wait until it listens and has named the key of each operator.
        `command`: what runs ChatApp."""
        registry = await self.begin_registry(
            *options, home=home, port=port, environment=environment, command=command
        )
        said = await registry.sees(lambda line: str(port or self.port) in line)
        assert not said.endswith("in use]"), said
        for name in (name for option, name in pairwise(options) if option == "--operator"):
            self.note_code(await registry.sees(re.compile(rf"\[Operator {re.escape(name)}: .*\]")))
        return registry

    def note_code(self, line: str) -> None:
        """Record the code that the registry prints for an operator."""
        if found := _OPERATOR.fullmatch(line):
            self.codes[found[1]] = found[2]

    async def begin_registry(
        self,
        *options: str,
        home: str = "registry",
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = CHATAPP,
    ) -> Program:
        """Start the registry without waiting for it."""
        words = [*command, "-s", str(port or self.port), *options]
        return await self.run("registry", words, home=home, environment=environment)

    async def peer(
        self,
        name: str,
        *options: str,
        home: str | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
        server_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: int = asyncio.subprocess.PIPE,
        stdout: int = asyncio.subprocess.PIPE,
    ) -> Program:
        """Start a peer without waiting for it. A second start uses the same port, as a person
        would."""
        home = home or name
        port = port or self._ports.get(home) or free_port()
        self._ports[home] = port
        mine = [name, host, str(server_port or self.port), str(port)]
        if name in self.codes and "--code" not in options:
            environment = {"CHATAPP_CODE": self.codes[name], **(environment or {})}
        return await self.run(
            name,
            [*CHATAPP, "-c", *mine, *options],
            home=home,
            prompt=PROMPT,
            environment=environment,
            stdin=stdin,
            stdout=stdout,
        )

    async def visitor(
        self,
        name: str,
        *options: str,
        home: str | None = None,
        server_port: int | None = None,
        stdin: int = asyncio.subprocess.PIPE,
    ) -> Program:
        """Start a visitor of the help desk without waiting for it. A second start finds the earlier
        ticket."""
        command = [*CHATAPP, "--desk", "127.0.0.1", str(server_port or self.port), *options]
        return await self.run(name, command, home=home or name, prompt=PROMPT, stdin=stdin)

    def parse_port(self, name: str) -> int:
        """The UDP port of a peer."""
        return self._ports[name]

    async def welcome(self, *names: str) -> list[Program]:
        """Start peers together and wait until each is registered and knows of all the others."""
        peers = [await self.peer(name) for name in names]
        for peer in peers:
            await peer.sees("[Welcome, You are registered.]")
        for peer in peers:
            await knows(peer, *names)
        return peers

    async def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        home: str,
        prompt: str = "",
        environment: Mapping[str, str] | None = None,
        stdin: int = asyncio.subprocess.PIPE,
        stdout: int = asyncio.subprocess.PIPE,
    ) -> Program:
        """Start any program of ours with the home `home`."""
        places = {
            "CHATAPP_HOME": str(self.folder / home),
            "XDG_DATA_HOME": str(self.folder / "user"),
        }
        own = {**places, **QUIET, **(environment or {})}
        program = await Program.start(
            name, command, environment=own, prompt=prompt, stdin=stdin, stdout=stdout
        )
        self.programs.append(program)
        return program

    async def close(self) -> None:
        """Kill what still runs, by its id."""
        for program in self.programs:
            program.signal(signal.SIGKILL)
        for program in self.programs:
            await program.kill()

    def complaints(self) -> list[str]:
        """Return everything that a program wrote to standard error, or showed without its prompt: a
        test expects nothing. The key of a server that `ChatApp send` meets for the first time is
        not included, nor the warning about a code on the command line."""
        return [
            f"{program.name}: {text}"
            for program in self.programs
            for text in (
                *(
                    line
                    for line in program.complaints
                    if not line.startswith("[First contact with this server") and line != CODE_SHOWN
                ),
                *program.shown(lambda line: line.startswith("(without the prompt)")),
            )
        ]


async def answer(peer: Program, *typed: str) -> list[str]:
    """Return what a peer shows from the moment it reads these lines until it has carried them out:
    the answers, and lines that arrive meanwhile."""
    number = next(_numbers)
    before, behind = (f'[Unknown command "/{side}{number}"' for side in ("before", "behind"))
    await peer.type(f"/before{number}", *typed, f"/behind{number}")
    places = []
    for fence in (before, behind):
        await peer.sees(lambda line, fence=fence: line.startswith(fence))  # type: ignore[misc]
        places.append(next(at for at, line in enumerate(peer.lines) if line.text.startswith(fence)))
    return [line.text for line in peer.lines[places[0] + 1 : places[1]]]


async def who(peer: Program) -> dict[str, str]:
    """Return what `/who all` shows now: `is online` or `was last seen <time>` for each name."""
    rows = (_ROW.fullmatch(line) for line in await answer(peer, "/who all"))
    return {row[1]: row[2] for row in rows if row}


async def knows(peer: Program, *online: str, away: Sequence[str] = ()) -> None:
    """Wait until this peer's table contains this; asked again after each change."""
    while True:
        table = await who(peer)
        if all(table.get(name) == "is online" for name in online) and all(
            table.get(name, "").startswith("was last seen") for name in away
        ):
            return
        await peer.sees("[Client table updated.]")


_OPERATOR: Final = re.compile(r"\[Operator (\S+): start once with --code ([0-9A-Z-]+)\]")
_numbers: Final = itertools.count()
_ROW: Final = re.compile(r"\[(\S+) (is online|was last seen [-0-9: ]{16})\.\]")


def overheard(kind: int, heard: Path) -> dict[str, str]:
    """Return the environment of a program whose datagrams of one kind are written to a file as it
    sends them."""
    return {"PYTHONPATH": str(LOSSY), "LOSSY_KIND": f"{kind:02x}", "LOSSY_HEARD": str(heard)}


def lossy(
    *, share: float = 0.0, seed: int = 0, ports: Sequence[int] = (), report: Path | None = None
) -> dict[str, str]:
    """Return the environment of a program that loses UDP datagrams as it sends them: a share of
    all, and all to some ports."""
    return {
        "PYTHONPATH": str(LOSSY),
        "LOSSY_SHARE": str(share),
        "LOSSY_SEED": str(seed),
        "LOSSY_PORTS": " ".join(map(str, ports)),
        "LOSSY_REPORT": str(report or ""),
    }
