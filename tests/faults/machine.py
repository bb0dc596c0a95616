"""Resources of a program under test: its memory and descriptors, read from /proc, and limits set on it."""

import ctypes
import os
from pathlib import Path
from typing import Final

from tests.support.program import Program
from tests.support.stage import CHATAPP, Stage

MIB: Final = 1 << 20


def memory_of(pid: int) -> int:
    """Bytes resident."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1_024
    return 0


def processor_time_of(pid: int) -> float:
    """Seconds of a processor that it has used."""
    after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def datagrams_lost_at(port: int) -> int:
    """Datagrams for which the socket on this port had no room."""
    rows = (line.split() for line in Path("/proc/net/udp").read_text("ascii").splitlines()[1:])
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


def descriptors_of(pid: int) -> int:
    """Open descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


async def registry_under(stage: Stage, *prefix: str) -> Program:
    """A registry that is started by another command, and listens."""
    words = [*prefix, *CHATAPP, "-s", str(stage.port)]
    registry = await stage.run("registry", words, home="registry")
    await registry.sees(lambda line: line.startswith("[Registry listening"))
    return registry


def limited(rule: str) -> tuple[str, ...]:
    """A shell's limit (`ulimit`) on what is run behind it, in the same process."""
    return ("bash", "-c", f'ulimit {rule} && exec "$@"', "limited")


def sqlite_memory() -> int:
    """Bytes that SQLite holds in this process: above all caches of pages, up to 2 MiB a file. 0: not known."""
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
    used = ctypes.CDLL(library).sqlite3_memory_used
    used.restype = ctypes.c_int64
    return int(used())
