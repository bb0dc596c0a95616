"""The files and folders that Tab offers."""

from pathlib import Path

import pytest

from chatapp.peer.faces.paths import list_paths


@pytest.mark.parametrize(
    ("begun", "offered"),
    [
        ("", ["a plan.pdf", "plan.pdf", "plans/"]),
        ("pl", ["plan.pdf", "plans/"]),
        ("plans/", ["plans/old.pdf"]),
        ("plans/x", []),
        (".", [".hidden"]),
        ("none/", []),
        ("~/pl", ["~/plan.pdf", "~/plans/"]),
        ("~nobody-of-this-name/", []),
    ],
)
def test_what_a_path_may_go_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str, offered: list[str]
) -> None:
    (tmp_path / "plans").mkdir()
    for name in ("plan.pdf", "a plan.pdf", ".hidden", "plans/old.pdf", "es\x1b[2J"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert list_paths(begun) == offered
