"""The project's tooling: lock files without local paths, and a test run that rejects empty and
endless tests."""

import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
LOCKS = sorted((CHECKOUT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_versions_and_hashes_and_no_place(lock: Path) -> None:
    for line in lock.read_text("utf-8").splitlines():
        assert re.fullmatch(
            r"[a-z0-9-]+==[\w.]+( ; [\w' !=.<>()]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line
        )


@pytest.mark.parametrize(
    ("lock", "extra"),
    [
        ("run.txt", None),
        ("run.txt", "lan"),
        ("dev.txt", "dev"),
        ("docs.txt", "docs"),
        ("release.txt", "release"),
    ],
)
def test_everything_that_the_project_needs_is_locked(lock: str, extra: str | None) -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]
    locked = set(
        re.findall(
            r"^([a-z0-9-]+)==", (CHECKOUT / "requirements" / lock).read_text("utf-8"), re.MULTILINE
        )
    )
    names = {re.split(r"[><=; \[]", one)[0].lower().replace("_", "-") for one in needed}
    assert names <= locked


def test_the_locks_agree() -> None:
    build, run, dev, docs, release = (
        dict(
            re.findall(
                r"^(\S+)==(\S+)",
                (CHECKOUT / "requirements" / lock).read_text("utf-8"),
                re.MULTILINE,
            )
        )
        for lock in ("build.txt", "run.txt", "dev.txt", "docs.txt", "release.txt")
    )
    assert run.items() <= dev.items()
    for other in (build, docs, release):
        assert all(dev.get(name, version) == version for name, version in other.items())
    assert {"pip", "setuptools"} <= build.keys()  # what installs everything else


def test_every_page_is_in_the_navigation_of_the_documentation() -> None:
    docs = CHECKOUT / "docs"
    pages = {str(page.relative_to(docs)) for page in docs.rglob("*.md")}
    named = re.findall(
        r": ([a-z0-9/_-]+\.md)$",
        (CHECKOUT / "mkdocs.yml").read_text("utf-8"),
        re.MULTILINE | re.IGNORECASE,
    )
    decisions = {page for page in pages if page.startswith("decisions/")} - {"decisions/README.md"}
    assert sorted(named) == sorted(pages - decisions)


def test_every_public_module_is_in_the_documentation_and_everything_there_exists() -> None:
    pages = "".join(
        (CHECKOUT / "docs" / page).read_text("utf-8")
        for page in ("reference/api.md", "reference/events.md")
    )
    named = re.findall(r"^::: (\S+)$", pages, re.MULTILINE)
    assert {"chatapp", "chatapp.bot", "chatapp.events", "chatapp.testing"} <= set(named)
    assert all(pkgutil.resolve_name(name) is not None for name in named)


def test_a_test_file_that_holds_no_test_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        (CHECKOUT / "tests/conftest.py").read_text("utf-8"), "utf-8"
    )
    (tmp_path / "test_empty.py").write_text("def tset_misspelt(): pass\n", "utf-8")
    (tmp_path / "test_full.py").write_text("def test_well(): pass\n", "utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert done.returncode != 0
    assert "test_empty.py holds no test" in done.stdout


ENDLESS = """
import asyncio

def spin():
    while True:
        pass

async def test_that_waits_for_ever():
    await asyncio.Event().wait()

async def test_with_an_endless_callback():
    asyncio.get_running_loop().call_soon(spin)
    await asyncio.Event().wait()

def test_well():
    pass
"""


def test_an_endless_test_fails_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "test_endless.py").write_text(ENDLESS, "utf-8")
    pytest_here = [
        "pytest",
        "-c",
        str(CHECKOUT / "pyproject.toml"),
        "--rootdir",
        str(tmp_path),
        "-n",
        "1",
    ]
    limits = ["--timeout=1", "-o", "faulthandler_timeout=3", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", *pytest_here, *limits, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=tmp_path,
    )
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr


def test_each_test_has_a_limit() -> None:
    options = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    assert 0 < options["timeout"] < options["faulthandler_timeout"]
