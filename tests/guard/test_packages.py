"""Each package says in a few lines what it is, and which modules to read first."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
INITS: Final = sorted(
    path for folder in ("peer", "registry", "wire") for path in (ROOT / folder).rglob("__init__.py")
)
LINES_MOST: Final = 6
"""With the quotes that end it."""


def modules_in(text: str) -> list[str]:
    _, _, after = text.partition("Read first: ")
    return re.findall(r"`([\w.]+)`", after)


@pytest.mark.parametrize("init", INITS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_package_names_modules_that_are_there(init: Path) -> None:
    text = init.read_text("utf-8")
    assert len(text.splitlines()) <= LINES_MOST
    named = modules_in(text)
    assert len(named) <= 3
    for name in named:
        path = init.parent / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").exists(), name


def test_names_of_modules_are_read() -> None:
    assert modules_in('"""It.\n\nRead first: `a` (b), `c.d` (`e`).\n"""') == ["a", "c.d", "e"]
