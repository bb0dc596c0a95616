"""Widgets of the full screen get `Content` and never a bare string, which Textual would read as
markup: a message with `[@click=app.quit]` in it would become a button."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

FULL: Final = Path(__file__).parents[2] / "peer" / "faces" / "full"
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
_TEXTS: Final = {
    "content",
    "label",
    "markdown",
    "message",
    "prompt",
    "renderable",
    "text",
    "title",
    "tooltip",
}
"""What Textual calls a text that it reads as markup, where it is given by name."""
_ATTRIBUTES: Final = {"border_title", "border_subtitle", "placeholder", "tooltip"}
"""Attributes of widgets that are read as markup."""
_MAKES: Final = {"Content", "assemble", "key_line", "pieces_as_content", "render"}
_IS_MARKUP: Final = {"from_markup", "Markup"}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_content(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called(node) in _MAKES


def _has_bare_text(call: ast.Call) -> bool:
    """Whether a call gives anything but `Content` for a text: at the first place, or by name."""
    named = [one.value for one in call.keywords if one.arg in _TEXTS]
    return not all(map(_is_content, (*call.args[:1], *named)))


def _says_no_markup(call: ast.Call) -> bool:
    return any(one.arg == "markup" for one in call.keywords)


def _of_classes(tree: ast.AST) -> Iterator[str]:
    """The lines where a class that is derived from such a widget passes a text on."""
    for one in ast.walk(tree):
        if (
            isinstance(one, ast.ClassDef)
            and {getattr(base, "id", "") for base in one.bases} & READS_MARKUP
        ):
            for node in ast.walk(one):
                if (
                    isinstance(node, ast.Call)
                    and called(node) == "__init__"
                    and (_has_bare_text(node) or not _says_no_markup(node))
                ):
                    yield f"line {node.lineno}: {one.name}"


def offences(source: str) -> Iterator[str]:
    """The lines of a module where a widget gets anything but `Content`."""
    tree = ast.parse(source)
    yield from _of_classes(tree)
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="markup", value=value) if not _is_false(value):
                yield f"line {value.lineno}: markup"
            case ast.keyword(arg=str(name), value=value) if name in _ATTRIBUTES and not _is_content(
                value
            ):
                yield f"line {value.lineno}: {name}"
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=value) if (
                name in _ATTRIBUTES and not _is_content(value)
            ):
                yield f"line {node.lineno}: {name}"
            case ast.Call() if called(node) in _IS_MARKUP or (
                called(node) in READS_MARKUP and _has_bare_text(node)
            ):
                yield f"line {node.lineno}: {called(node)}"
            case ast.Call() if called(node) == "Static" and not _says_no_markup(node):
                yield f"line {node.lineno}: Static without markup=False"
            case _:
                pass


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
        "Static(content=text, markup=False)",
        "Static(**{'markup': False}, content=f'{text}')",
        "one.update(content=text)",
        "self.notify(message=text)",
        "self.notify(Content(text), title=text)",
        "Button(label=text)",
        "ListView(tooltip=text)",
        "self.tooltip = text",
        "self.frame.border_title = f'{text}'",
        "class One(Static):\n    def __init__(self):\n        super().__init__(text, markup=False)",
        "class One(Static):\n    def __init__(self):\n        super().__init__(Content(text))",
    ],
)
def test_a_bare_string_is_noticed(source: str) -> None:
    assert list(offences(source))


def test_content_is_fine() -> None:
    assert list(offences("Static(Content(text), markup=False); one.update(Content(text))")) == []
    assert (
        list(offences("Static(content=Content(text), markup=False); one.tooltip = Content(text)"))
        == []
    )
