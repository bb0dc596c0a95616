"""The recipes for contributors name files that exist, and names that are in them."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SETTING_MOST: Final = 4
"""How many files of the product a setting may touch."""
HEADING: Final = "## Three recipes"
_STEP: Final = re.compile(r"^\d+\. `([^`]+)`:(.*(?:\n   .*)*)", re.MULTILINE)
_NAME: Final = re.compile(r"`([A-Za-z_]\w*)`")


def recipes() -> str:
    _, _, after = (ROOT / "CONTRIBUTING.md").read_text().partition(HEADING)
    return after.partition("\n## ")[0]


STEPS: Final = [(step[1], step[2]) for step in _STEP.finditer(recipes())]


def is_in(name: str, content: str) -> bool:
    return re.search(rf"\b{name}\b", content) is not None


def test_every_step_is_read() -> None:
    lines = [line for line in recipes().splitlines() if re.match(r"\d", line)]
    assert len(STEPS) == len(lines) > 20
    assert recipes().count("### ") == 3


@pytest.mark.parametrize(("file", "about"), STEPS)
def test_a_step_names_what_is_there(file: str, about: str) -> None:
    content = (ROOT / file).read_text()
    missing = [
        name
        for name in _NAME.findall(about)
        if not is_in(name, content) and not is_elsewhere(name, about)
    ]
    assert missing == []


def test_a_setting_is_written_in_few_files() -> None:
    _, _, setting = recipes().partition("### A setting")
    of_peer, _, of_registry = setting.partition("As `lease`")
    for recipe in (of_peer, of_registry):
        product = {
            step[1]
            for step in _STEP.finditer(recipe)
            if step[1].split("/")[0] in {"chatapp", "peer", "registry", "wire"}
        }
        assert 0 < len(product) <= SETTING_MOST


def is_elsewhere(name: str, about: str) -> bool:
    """Whether the step names another file, and this is in it."""
    others = [ROOT / path for path in re.findall(r"`([\w/]+\.py)`", about)]
    return any(is_in(name, other.read_text()) for other in others)


def test_a_name_that_is_gone_is_noticed() -> None:
    assert not is_in("LastOpen", "class LastOpening: ...")
    assert is_in("LastOpening", "class LastOpening: ...")
