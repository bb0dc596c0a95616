"""Registries under load: the real program, each in its own process and folder."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

from bench.machine import CHECKOUT, Process, free_port

_SETTINGS = {
    "CHATAPP_LEASE": "3600",
    "CHATAPP_REQUESTS": "10000000",
    "CHATAPP_BROADCAST_UP_TO": "100000",
    "CHATAPP_CHANNEL_FREE_UP_TO": "1000000",
}
"""Members of a load send no signs of life and must not count as away during a measurement; one of
them requests as much as a crowd would; everybody is told of everybody, unless a measure asks for
less; and the channel takes every line."""

Server = tuple[str, int]
"""A host and a port for UDP and TCP."""


class RegistryProcess(Process):
    """A running registry that listens."""

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        options: Sequence[str] = (),
        *,
        prefix: Sequence[str] = (),
        broadcast_up_to: int = 0,
        lease: int = 0,
    ) -> None:
        """`prefix`: the words before the command. `broadcast_up_to`: people online of whom
        everybody is told; 0: any number. `lease`: seconds, for a load that shows signs of life."""
        self.port = port or free_port()
        self.folder = folder
        self.options: Final = list(options)
        told = {"CHATAPP_BROADCAST_UP_TO": str(broadcast_up_to)} if broadcast_up_to else {}
        leases = {"CHATAPP_LEASE": str(lease)} if lease else {}
        super().__init__(
            [
                *prefix,
                sys.executable,
                CHECKOUT / "ChatApp.py",
                "-s",
                str(self.port),
                "--data",
                str(folder),
                *options,
            ],
            env=_SETTINGS | told | leases,
        )
        try:
            self.lines_until("listening")
        except BaseException:
            self.stop()
            raise

    @property
    def servers(self) -> list[Server]:
        """Where a crowd finds it."""
        return [("127.0.0.1", self.port)]


class Registries:
    """The registries that one crowd is spread over, measured together: one, or the nodes of a
    cluster. Use it as a context."""

    def __init__(
        self, processes: Sequence[RegistryProcess], *, behind: Sequence[Process] = ()
    ) -> None:
        """`behind`: what they need, which somebody else stops."""
        self.processes: Final = list(processes)
        self.behind: Final = list(behind)
        self._stack = ExitStack()
        for process in self.processes:
            self._stack.enter_context(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def servers(self) -> list[Server]:
        """Where a crowd finds them."""
        return [server for process in self.processes for server in process.servers]

    def start_again(self, lost: RegistryProcess) -> RegistryProcess:
        """Start a registry that was killed, at its port and with its folder."""
        lost.stop()
        process = RegistryProcess(lost.folder, lost.port, lost.options)
        self.processes[self.processes.index(lost)] = self._stack.enter_context(process)
        return process

    def cpu(self) -> float:
        """Seconds of processor time of all together."""
        return sum(process.cpu() for process in self.processes)

    def memory(self) -> int:
        """Bytes resident, of all together."""
        return sum(process.memory() for process in self.processes)


Start = Callable[[Path], Registries]
"""Starts registries that keep what they have in a folder, and find it there when they are started
again."""


def one_registry(folder: Path) -> Registries:
    """Start a single registry."""
    return Registries([RegistryProcess(folder / "data")])
