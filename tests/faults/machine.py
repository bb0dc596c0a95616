"""Resources of a program under test: its memory and descriptors, and limits set on it."""

import ctypes
import functools
import os
import resource
from pathlib import Path
from typing import Final

from tests.cast.program import Program
from tests.cast.stage import CHATAPP, Stage

MIB: Final = 1 << 20
COUNTED: Final = {"PYTHONMALLOC": "malloc"}
"""The environment of a program whose `allocated` bytes include Python's own objects."""


def memory_of(pid: int) -> int:
    """Return the resident bytes of a process."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    return 0


def processor_time_of(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def datagrams_lost_at(port: int) -> int:
    """Return how many datagrams the socket on this port lost because its buffer was full."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text("ascii").splitlines()[1:])
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


def allow_descriptors() -> None:
    """Let this process have as many descriptors as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors_of(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


async def registry_under(stage: Stage, *prefix: str) -> Program:
    """Start a registry through another command, and wait until it listens."""
    words = [*prefix, *CHATAPP, "-s", str(stage.port)]
    registry = await stage.run("registry", words, home="registry")
    await registry.sees(lambda line: line.startswith("[Registry listening"))
    return registry


def limited(rule: str) -> tuple[str, ...]:
    """Return a shell command with a limit (`ulimit`) on what is run after it, in the same
    process."""
    return ("bash", "-c", f'ulimit {rule} && exec "$@"', "limited")


class _MallInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def allocated() -> int:
    """Return the bytes that this process has allocated and not freed. What is resident does not
    tell: it stays as high as it ever was."""
    found = _library(None).mallinfo2()
    return int(found.uordblks + found.hblkhd)


def sqlite_memory() -> int:
    """Return the bytes that SQLite holds in this process, mainly page caches of up to 2 MiB a file.
    0: unknown."""
    library = next(
        (
            line.split()[-1]
            for line in Path("/proc/self/maps").read_text().splitlines()
            if "libsqlite3" in line
        ),
        None,
    )
    if library is None:
        return 0
    return int(_library(library).sqlite3_memory_used())


@functools.cache
def _library(path: str | None) -> ctypes.CDLL:
    """Return a library of this process, opened once: to open it again makes 9 KB of garbage, which
    the collector of a registry hardly ever looks for."""
    library = ctypes.CDLL(path)
    if path is None:
        library.mallinfo2.restype = _MallInfo
    else:
        library.sqlite3_memory_used.restype = ctypes.c_int64
    return library
