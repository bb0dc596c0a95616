"""Run the tests on each Python from 3.11 on that this machine has, on PATH or among those of pyenv.

python -m tests.pythons --workers 4

Each Python has a virtual environment of its own in `.venvs`.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
VERSIONS: Final = ("3.11", "3.12", "3.13", "3.14", "3.15")
_TELL: Final = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


def find(version: str, environment: Mapping[str, str]) -> Path | None:
    """Return the first Python of this version that runs and can make virtual environments."""
    return next(
        (python for python in _candidates(version, environment) if _runs(python, version)), None
    )


def _candidates(version: str, environment: Mapping[str, str]) -> Iterator[Path]:
    for folder in filter(None, environment.get("PATH", "").split(os.pathsep)):
        yield Path(folder) / f"python{version}"
    pyenv = Path(environment.get("PYENV_ROOT") or Path(environment.get("HOME", "/")) / ".pyenv")
    releases = (pyenv / "versions").glob(f"{version}.*/bin/python{version}")
    yield from sorted(releases, key=_numbers, reverse=True)


def _numbers(python: Path) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", python.parts[-3])]


def _runs(python: Path, version: str) -> bool:
    """Whether it is of this version. A program of pyenv's that chooses one may be there and
    refuse."""
    try:
        done = subprocess.run(
            [python, "-c", _TELL], capture_output=True, text=True, timeout=60, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def _passes(python: Path, version: str, workers: int) -> bool:
    folder = Path(".venvs") / version
    if not _runs(CHECKOUT / folder / "bin" / "python", version):
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True, cwd=CHECKOUT)
    make = ["make", f"VENV={folder}", f"WORKERS={workers}", "test"]
    return subprocess.run(make, check=False, cwd=CHECKOUT).returncode == 0


def main(arguments: list[str]) -> int:
    """Run the tests on all. Return 1 if they fail on one, or none is found."""
    parser = argparse.ArgumentParser(prog="python -m tests.pythons")
    parser.add_argument("--workers", type=int, default=4)
    workers = parser.parse_args(arguments).workers
    outcomes = {}
    for version in VERSIONS:
        python = find(version, os.environ)
        if python is None:
            outcomes[version] = "not found"
            continue
        print(f"Python {version}: {python}", flush=True)
        outcomes[version] = "passed" if _passes(python, version, workers) else "failed"
    for version, outcome in outcomes.items():
        print(f"Python {version}: {outcome}")
    return 0 if "passed" in outcomes.values() and "failed" not in outcomes.values() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
