"""What runs for a change and at night: pinned, cached by the lock files, and one subject a line."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.cast.program import CHECKOUT

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_caches_follow_the_lock_files(workflow: Path) -> None:
    text = workflow.read_text("utf-8")
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)
    setups = text.count("actions/setup-python@")
    assert text.count("cache-dependency-path: requirements/*.txt") == setups > 0


def test_what_workflows_run_is_there() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text("utf-8"), re.MULTILINE)
    )
    run = {
        made
        for path in WORKFLOWS
        for made in re.findall(r"make ([a-z-]+)", path.read_text("utf-8"))
    }
    assert {"check", "docs", "dist", "mutants", "fuzz", "faults"} <= run <= targets


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (f"{'x' * 72}\n\n{'y' * 100}\n", 0),
        (f"{'x' * 73}\n", 1),
        (f"# {'z' * 80}\nShort\n", 0),
        ("\n", 0),
    ],
)
def test_a_long_subject_is_refused(tmp_path: Path, message: str, status: int) -> None:
    file = tmp_path / "message"
    file.write_text(message, "utf-8")
    done = subprocess.run(
        [CHECKOUT / ".ci" / "subjects", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr


def test_subjects_of_a_range_are_checked(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        names = {
            f"GIT_{who}_{what}": "a@b"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull}
        subprocess.run(
            ["git", "-C", tmp_path, *words], env=environment, check=True, capture_output=True
        )

    git("init", "--quiet")
    for subject in ("First", "Short", "x" * 73):
        git("commit", "--allow-empty", "--quiet", "-m", subject)
    check = [CHECKOUT / ".ci" / "subjects"]
    for commits, status in (("HEAD~2..HEAD~1", 0), ("HEAD~2..HEAD", 1)):
        done = subprocess.run([*check, commits], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == status
