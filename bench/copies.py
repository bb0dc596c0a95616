"""What copies a file between two programs otherwise: scp, which seals, and a plain HTTP download,
which neither seals nor checks. Both over loopback."""

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.machine import Failed, Process, free_port
from bench.rivals import Absent, libraries, program_of

_PATIENCE: Final = 10.0
_COPIED_WITHIN: Final = 300.0
_SEPARATED: Final = "sshd:x:65533:65533::/run/sshd:/usr/sbin/nologin\n"
"""The user without rights whom a server of scp needs that root runs."""

Copy = Callable[[Path, Path], float]
"""Copies one file, and returns the seconds that it took."""


@contextmanager
def scp(folder: Path) -> Iterator[Copy]:
    """A server of scp whose keys are in a folder. Raises Absent."""
    server, client = program_of("sshd"), program_of("scp")
    if server is None or client is None or shutil.which("ssh-keygen") is None:
        raise Absent(
            "scp or its server is not installed (`make bench-rivals` fetches it; Debian: openssh-server)"
        )
    key, port = folder / "key", free_port()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": key,
        "AuthorizedKeysFile": key.with_suffix(".pub"),
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
    }
    file = folder / "sshd_config"
    file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    words = [server, "-D", "-e", "-f", str(file)]
    options = {
        "UserKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "no",
        "LogLevel": "ERROR",
    }
    asked: list[str | Path] = [client, "-q", "-F", "none", "-i", key, "-P", str(port)]
    asked += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    user = pwd.getpwuid(os.geteuid()).pw_name
    with Process(_with_its_user(words, folder), env=libraries(), quiet=True) as process:
        _wait_for(process, port)
        yield lambda source, copy: _seconds_of([*asked, f"{user}@127.0.0.1:{source}", copy])


def _with_its_user(words: list[str], folder: Path) -> list[str]:
    """Return the command that runs the server where it finds the user and the folder that it needs,
    which this system may not have: in a mount namespace of its own."""
    if os.geteuid():
        return words
    users = folder / "passwd"
    users.write_text(Path("/etc/passwd").read_text() + _SEPARATED)
    script = f"mount --bind {shlex.quote(str(users))} /etc/passwd && mount -t tmpfs tmpfs /run && "
    script += f"mkdir -m 755 /run/sshd && exec {shlex.join(words)}"
    return ["unshare", "--mount", "sh", "-c", script]


@contextmanager
def http(folder: Path) -> Iterator[Copy]:
    """Python's own server of the files of a folder, and curl. Raises Absent."""
    client, port = program_of("curl"), free_port()
    if client is None:
        raise Absent("curl is not installed")
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with Process([*words, "--directory", folder], quiet=True) as process:
        _wait_for(process, port)
        place = f"http://127.0.0.1:{port}"
        yield lambda source, copy: _seconds_of(
            [client, "-sS", "-o", copy, f"{place}/{source.name}"]
        )


def _wait_for(process: Process, port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Failed(f"nobody listens: {process.complaint()}") from None
            time.sleep(0.02)


def _seconds_of(command: Sequence[str | Path]) -> float:
    began = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_COPIED_WITHIN, check=False
    )
    if done.returncode:
        raise Failed(f"{command[0]}: {done.stderr.strip()}")
    return time.monotonic() - began
