"""This file is about a program's machine: what it holds of memory and descriptors, and limits put upon it.

It reads /proc and runs programs under limits; it must not know what they do.
"""

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
