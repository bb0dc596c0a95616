"""A size that cannot be measured takes no other with it, and the table's reader is told of it."""

import sys
from pathlib import Path

import pytest

from bench import sizing


def test_a_size_that_fails_is_named_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needs_at(people: int) -> dict[str, float]:
        if people == 1_000:
            raise ConnectionResetError("connection reset")
        return dict.fromkeys(sizing.ROWS, float(people))

    document = tmp_path / "registry.md"
    document.write_text("<!-- sizing -->\n<!-- /sizing -->\n", "utf-8")
    monkeypatch.setattr(sizing, "needs_at", needs_at)
    monkeypatch.setattr(sizing, "allow_descriptors", lambda: None)
    monkeypatch.setattr(sys, "argv", ["sizing", "--sizes", "10,1000,20", "--into", str(document)])
    assert sizing.main() == 1
    written = document.read_text("utf-8")
    assert "| | 10 online | 20 online |" in written
    assert "1,000 online could not be measured: connection reset." in written
