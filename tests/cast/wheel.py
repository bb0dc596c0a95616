"""What is installed: the wheel and the source distribution of the checkout, built once for a run of
the tests."""

import fcntl
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.cast.program import CHECKOUT

FOLDERS: Final = ("peer", "registry", "wire")
_NEEDED: Final = (
    *("README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md", "changes", "pyproject.toml"),
    *("chatapp", "contrib", "docs"),
)


class Built(NamedTuple):
    """Two packages of the checkout."""

    wheel: Path
    sdist: Path


def run(words: Sequence[str], *, cwd: Path, path: Path | None = None) -> str:
    """Return what a command prints that must succeed. `path`: where it looks for modules."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=110, check=False, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path, into: Path) -> Path:
    """Return the `wheel` or `sdist` of a source folder, made by the build back end alone."""
    into.mkdir(parents=True)
    code = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(into)!r}))"
    run([sys.executable, "-c", code], cwd=source)
    (package,) = into.iterdir()
    return package


def unpacked(wheel: Path, into: Path) -> Path:
    """Put what a wheel brings into a folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(into)
    return into


def build_once(factory: pytest.TempPathFactory) -> Built:
    """Return both packages; whichever process of the run comes first builds them."""
    folder = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of the whole run
    with (folder / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        packages = folder / "packages"
        if not packages.exists():
            made = folder / "packages.new"
            source = _copy_of_sources(made / "sources")
            for kind in ("wheel", "sdist"):
                build(kind, source, made / kind)
            made.rename(packages)
    (wheel,), (sdist,) = ((packages / kind).iterdir() for kind in ("wheel", "sdist"))
    return Built(wheel, sdist)


def _copy_of_sources(copy: Path) -> Path:
    """Copy what a build needs: building in the checkout would leave its traces there."""
    copy.mkdir(parents=True)
    tar = copy.with_suffix(".tar")
    names = (*_NEEDED, *FOLDERS)
    run(["tar", "--create", "--exclude=__pycache__", "--file", str(tar), *names], cwd=CHECKOUT)
    run(["tar", "--extract", "--file", str(tar)], cwd=copy)
    return copy
