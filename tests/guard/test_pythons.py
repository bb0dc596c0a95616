"""Which Python `make` uses: one that was chosen beforehand, the best of those on PATH, or each one
that is found."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pythons import CHECKOUT, find


def fake(path: Path, *, says: str = "3.13", status: int = 0) -> Path:
    """A program that takes the place of a Python: it tells a version, and makes folders for virtual
    environments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\ntest "$2" = venv && mkdir -p "$3/bin"\necho {says}\nexit {status}\n'
    )
    path.chmod(0o755)
    return path


def test_one_on_path_comes_before_those_of_pyenv_and_may_be_in_a_folder_with_a_space(
    tmp_path: Path,
) -> None:
    refused = fake(tmp_path / "shims" / "python3.13", status=127)
    other = fake(tmp_path / "other" / "python3.13", says="3.12")
    right = fake(tmp_path / "with space" / "python3.13")
    fake(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python3.13")
    path = os.pathsep.join(map(str, (refused.parent, other.parent, right.parent)))
    environment = {"PATH": path, "PYENV_ROOT": str(tmp_path / "pyenv")}
    assert find("3.13", environment) == right
    assert find("3.12", environment) is None


def test_of_pyenv_the_newest_is_taken(tmp_path: Path) -> None:
    versions = tmp_path / ".pyenv" / "versions"
    for release in ("3.13.2", "3.13.10", "3.13.9"):
        fake(versions / release / "bin" / "python3.13")
    newest = versions / "3.13.10" / "bin" / "python3.13"
    assert find("3.13", {"PATH": "", "HOME": str(tmp_path)}) == newest


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the rule for a virtual environment needs, below a path that has a space."""
    folder = tmp_path / "with space"
    (folder / "bench").mkdir(parents=True)
    shutil.copy(CHECKOUT / "Makefile", folder)
    shutil.copy(CHECKOUT / "bench" / "interpreter.py", folder / "bench")
    return folder


def make(checkout: Path, path: str) -> None:
    """Run the rule. What was given to a `make` that runs the tests, such as VENV, is not for this
    one."""
    outer = {name for name in os.environ if name.startswith(("MAKE", "MFLAGS"))}
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    subprocess.run(
        ["make", ".venv/.made", "PYTHONS=python3.13"],
        cwd=checkout,
        env={**environment, "PATH": path},
        capture_output=True,
        timeout=60,
        check=True,
    )


def test_a_virtual_environment_that_was_made_beforehand_is_kept(checkout: Path) -> None:
    chosen = fake(checkout / ".venv" / "bin" / "python")
    make(checkout, os.environ["PATH"])
    assert chosen.exists()
    assert (checkout / ".venv" / ".made").exists()


def test_one_that_is_broken_is_made_again_by_a_python_in_a_folder_with_a_space(
    checkout: Path,
) -> None:
    fake(checkout / ".venv" / "bin" / "python", status=1)
    python = fake(checkout / "some programs" / "python3.13")
    make(checkout, f"{python.parent}:/usr/bin:/bin")
    assert list((checkout / ".venv" / "bin").iterdir()) == [], "another Python made it"
    assert (checkout / ".venv" / ".made").exists()
