"""The programs of one test: a registry and people on free ports, each with a home of its own."""

import contextlib
import re
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, TypedDict, TypeVar, Unpack

from chatapp.validation import CODE_SHOWN
from tests.cast import nursery
from tests.cast.desk import CONNECTED, ON_DUTY, position
from tests.cast.lines import WELCOME
from tests.cast.people import Person, Registry, Serving, Visitor
from tests.cast.program import Program
from tests.support.ports import free_port

CHATAPP: Final = nursery.CHATAPP
LOSSY: Final = Path(__file__).parent / "lossy"
PROMPT: Final = ">>> "
QUIET: Final = {"CHATAPP_ANNOUNCE": "false", "CHATAPP_DISCOVER": "false"}
"""Keeps tests that run side by side from finding each other's registries."""

_OPERATOR: Final = re.compile(r"\[Operator (\S+): start once with --code ([0-9A-Z-]+)\]")

Kind = TypeVar("Kind", bound=Program)


class Streams(TypedDict, total=False):
    """The standard streams of a program; pipes by default."""

    stdin: int
    stdout: int


class How(Streams, total=False):
    """How a program is started."""

    environment: Mapping[str, str] | None


class Place(How, total=False):
    """Where a peer is, and its registry."""

    home: str | None
    port: int | None
    host: str
    server_port: int | None


def copy_folder(folder: Path, copy: Path) -> Path:
    """Copy a program's folder with all its files, as a backup does, but without its sockets."""
    return shutil.copytree(folder, copy, ignore=_sockets)


def _sockets(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]


class Stage:
    """The programs of one test, each with a home of its own below `folder`, all of them gone when
    it closes."""

    def __init__(self, folder: Path, *, is_forked: bool = False) -> None:
        """`is_forked`: whether programs are forked from one that has loaded ChatApp."""
        self.folder: Final = folder
        self._is_forked: Final = is_forked
        self.port: Final = free_port()
        """The registry's port."""
        self.programs: list[Program] = []
        self.codes: dict[str, str] = {}
        """The codes for the first start of operators, as printed by the registry."""
        self._ports: dict[str, int] = {}

    async def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        home: str,
        prompt: str = "",
        **how: Unpack[How],
    ) -> Program:
        """Start any program of ours with the home `home`."""
        return await self._start(Program, name, command, home=home, prompt=prompt, **how)

    async def _start(
        self,
        kind: type[Kind],
        name: str,
        command: Sequence[str | Path],
        *,
        home: str,
        prompt: str = "",
        environment: Mapping[str, str] | None = None,
        **how: Unpack[Streams],
    ) -> Kind:
        places = {
            "CHATAPP_HOME": str(self.folder / home),
            "XDG_DATA_HOME": str(self.folder / "user"),
        }
        own = {**places, **QUIET, **(environment or {})}
        program = await kind.start(
            name, command, environment=own, prompt=prompt, is_forked=self._is_forked, **how
        )
        self.programs.append(program)
        return program

    async def begin(self, *words: str, home: str = "registry", **how: Unpack[How]) -> Program:
        """Start a command of ChatApp."""
        return await self.run("ChatApp", [*CHATAPP, *words], home=home, **how)

    async def output_of(self, *words: str, home: str = "registry", status: int = 0) -> list[str]:
        """Return the lines that a command of ChatApp prints until it ends. Those on standard error
        are not expected of one that succeeds."""
        program = await self.begin(*words, home=home)
        assert await program.ends() == status, str(program)
        complaints = program.complaints.copy() if status else []
        if status:
            program.complaints.clear()
        return [*program.shown(), *complaints]

    # --- the registry

    async def registry(
        self,
        *options: str,
        home: str = "registry",
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = CHATAPP,
    ) -> Registry:
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

    async def begin_registry(
        self,
        *options: str,
        home: str = "registry",
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = CHATAPP,
    ) -> Registry:
        """Start the registry without waiting for it."""
        words = [*command, "-s", str(port or self.port), *options]
        return await self._start(Registry, "registry", words, home=home, environment=environment)

    def note_code(self, line: str) -> None:
        """Record the code that the registry prints for an operator."""
        if found := _OPERATOR.fullmatch(line):
            self.codes[found[1]] = found[2]

    # --- people

    async def peer(
        self,
        name: str,
        *options: str,
        home: str | None = None,
        port: int | None = None,
        host: str = "127.0.0.1",
        server_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        **how: Unpack[Streams],
    ) -> Person:
        """Start a peer without waiting for it. A second start uses the same port, as a person
        would."""
        home = home or name
        port = self._ports[home] = port or self._ports.get(home) or free_port()
        words = [*CHATAPP, "-c", name, host, str(server_port or self.port), str(port), *options]
        if name in self.codes and "--code" not in options:
            environment = {"CHATAPP_CODE": self.codes[name], **(environment or {})}
        return await self.person(name, words, home=home, environment=environment, **how)

    async def person(
        self, name: str, command: Sequence[str], *, home: str | None = None, **how: Unpack[How]
    ) -> Person:
        """Start a peer by any command without waiting for it."""
        return await self._start(Person, name, command, home=home or name, prompt=PROMPT, **how)

    def port_of(self, name: str) -> int:
        """The UDP port of a peer."""
        return self._ports[name]

    async def come(self, name: str, *options: str, **how: Unpack[Place]) -> Person:
        """Start a peer and wait until it is registered."""
        peer = await self.peer(name, *options, **how)
        await peer.sees(WELCOME)
        return peer

    async def welcome(self, *names: str) -> list[Person]:
        """Start peers together and wait until each is registered and knows of all the others."""
        peers = [await self.peer(name) for name in names]
        for peer in peers:
            await peer.sees(WELCOME)
        for peer in peers:
            await peer.knows(*names)
        return peers

    # --- the help desk

    async def operator(self, name: str = "bob") -> Person:
        """Start a peer who is an operator, and wait until they are on duty."""
        peer = await self.come(name)
        await peer.type(".on")
        await peer.sees(ON_DUTY)
        return peer

    async def visitor(
        self,
        name: str,
        *options: str,
        home: str | None = None,
        server_port: int | None = None,
        **how: Unpack[How],
    ) -> Visitor:
        """Start a visitor of the help desk without waiting for it. A second start finds the earlier
        ticket."""
        words = [*CHATAPP, "--desk", "127.0.0.1", str(server_port or self.port), *options]
        return await self._start(Visitor, name, words, home=home or name, prompt=PROMPT, **how)

    async def registrant(self, name: str, *options: str, server_port: int | None = None) -> Visitor:
        """Start a visitor who fills in the form."""
        visitor = await self.visitor(name, *options, server_port=server_port)
        await visitor.fills_in()
        return visitor

    async def joined(self, name: str, at: int, *, server_port: int | None = None) -> Visitor:
        """Start a visitor who waits at this position."""
        visitor = await self.registrant(name, server_port=server_port)
        await visitor.sees(position(at))
        return visitor

    async def served(self, name: str, *options: str, by: Serving) -> Visitor:
        """Start a visitor who is served at once, as both programs know by now."""
        visitor = await self.registrant(name, *options)
        await visitor.sees(CONNECTED)
        await by.gets(name)
        return visitor

    # --- the end

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


@contextlib.asynccontextmanager
async def playing(
    folder: Path, *, may_complain: bool = False, is_forked: bool = False
) -> AsyncIterator[Stage]:
    """Let a test use a stage. Whatever it is about, no program may write to standard error, unless
    the test says itself which errors there are. `is_forked`: as for a stage."""
    stage = Stage(folder, is_forked=is_forked)
    try:
        yield stage
        assert may_complain or stage.complaints() == []
    finally:
        await stage.close()
        print(*stage.programs, sep="\n")  # shown for a test that failed


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
