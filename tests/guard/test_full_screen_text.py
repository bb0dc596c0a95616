"""Widgets of the full screen get `Content` and never a bare string, which Textual would read as markup: a message with
`[@click=app.quit]` in it would become a button."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

FULL: Final = Path(__file__).parents[2] / "peer" / "ui" / "full"
READS_MARKUP: Final = {
    "Static",
    "Label",
    "Button",
    "Link",
    "Markdown",
    "Option",
    "Tab",
    "Tooltip",
    "update",
    "notify",
}
"""What takes a text and reads it as markup."""
_MAKES: Final = {"Content", "assemble", "pieces_as_content", "render"}
_IS_MARKUP: Final = {"from_markup", "Markup"}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def offences(source: str) -> Iterator[str]:
    """The lines of a module where a widget gets anything but `Content`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "markup" and not _is_false(node.value):
            yield f"line {node.value.lineno}: markup"
        if not isinstance(node, ast.Call):
            continue
        name = called(node)
        if name in _IS_MARKUP:
            yield f"line {node.lineno}: {name}"
        if name in READS_MARKUP and node.args:
            first = node.args[0]
            if not (isinstance(first, ast.Call) and called(first) in _MAKES):
                yield f"line {node.lineno}: {name}"
        if name == "Static" and not any(one.arg == "markup" for one in node.keywords):
            yield f"line {node.lineno}: Static without markup=False"


@pytest.mark.parametrize("module", sorted(FULL.rglob("*.py")), ids=lambda path: path.stem)
def test_widgets_get_content(module: Path) -> None:
    assert list(offences(module.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "Static('x', markup=False)",
        "Static(name, markup=False)",
        "Static(Content('x'))",
        "Static(Content('x'), markup=True)",
        "self.query_one('#a', Static).update(f'{text}')",
        "Content.from_markup(text)",
        "self.notify(text)",
    ],
)
def test_a_bare_string_is_noticed(source: str) -> None:
    assert list(offences(source))


def test_content_is_fine() -> None:
    assert list(offences("Static(Content(text), markup=False); one.update(Content(text))")) == []
