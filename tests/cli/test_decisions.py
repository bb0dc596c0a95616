"""The pages in docs/decisions have one form, and the index lists each under its title."""

import re
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = Path(__file__).parents[2] / "docs" / "decisions"
PAGES: Final = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
PARTS: Final = ("**Context.**", "**Decision", "**Consequences.**")


def test_the_index_has_every_decision_once_under_its_title() -> None:
    index = re.findall(r"\[(.*?)\]\((.*?)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    titles = [(page.read_text(encoding="utf-8").splitlines()[0][2:], page.name) for page in PAGES]
    assert sorted(index) == sorted(titles)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_context_decision_and_consequences_in_this_order(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# ")
    places = [text.find(part) for part in PARTS]
    assert -1 not in places
    assert places == sorted(places)
