"""Names of our modules, files and tests in documents and docstrings exist, so that prose does not
outlive a rename."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("wire", "registry", "peer", "chatapp", "tests", "bench", "fuzz", "examples")
INSTALLED: Final = ("wire", "registry", "peer")
DOCUMENTS: Final = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md"))
    if path.name != "CHANGELOG.md"  # history: it names what was there then
)
MADE_LATER: Final = ("fuzz/found",)
"""Folders that a program makes when it needs them."""
MODULES: Final = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS: Final = {path.name for path in MODULES if path.is_relative_to(ROOT / "tests")}

_QUOTED: Final = re.compile(r"`([^`\n]+)`")
_MAY_BE_QUOTED: Final = re.compile(r"(?=`([^`\n]+)`)")
"""The same in code, where a lone backtick may stand before a docstring."""
_PATH: Final = re.compile(rf"(?:{'|'.join((*FOLDERS, 'docs'))})(?:/[\w.-]+)+/?")
_DOTTED: Final = re.compile(rf"(?:{'|'.join(INSTALLED)})(?:\.[A-Za-z_]\w*)+")
_PAGE: Final = re.compile(r"(?<![\w/])docs/[\w/-]+\.(?:md|toml)")
_TEST: Final = re.compile(r"test_\w+\.py")


def is_there(name: str) -> bool:
    """Whether a file, folder or module has this path; a module may stand without its suffix."""
    path = ROOT / name.rstrip("/")
    return name in MADE_LATER or path.exists() or path.with_name(path.name + ".py").exists()


def is_defined(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    found: ModuleType | object = importlib.import_module("chatapp")
    where = "chatapp"
    for part in name.split("."):
        where += f".{part}"
        if not hasattr(found, part):
            try:
                importlib.import_module(where)
            except ImportError:
                return part in getattr(found, "__annotations__", ())
        found = getattr(found, part)
    return True


def unknown_names(text: str, quoted: re.Pattern[str] = _QUOTED) -> Iterator[str]:
    """The quoted names in `text` that look like ours and do not exist."""
    for name in quoted.findall(text):
        if _PATH.fullmatch(name):
            if not is_there(name):
                yield name
        elif _DOTTED.fullmatch(name):
            if not is_defined(name):
                yield name
        elif _TEST.fullmatch(name) and name not in TESTS:
            yield name


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings in a module, and the strings that stand behind an assignment to explain it.
    Only a module in which something may be wrong is parsed: parsing takes a hundred times as
    long."""
    source = path.read_text(encoding="utf-8")
    if not any(unknown_names(source, _MAY_BE_QUOTED)):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_names_only_what_exists(document: Path) -> None:
    assert not list(unknown_names(document.read_text(encoding="utf-8")))


def test_docstrings_name_only_what_exists() -> None:
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in MODULES
        if (names := [name for text in docstrings(path) for name in unknown_names(text)])
    }
    assert not wrong


def test_a_page_that_is_named_anywhere_exists() -> None:
    others = ("Makefile", "Containerfile", "docs/*.toml", "contrib/**/*.*", "tests/**/*.toml")
    files = [*DOCUMENTS, *MODULES, *(path for pattern in others for path in ROOT.glob(pattern))]
    wrong = {
        str(path.relative_to(ROOT)): names
        for path in files
        if (names := [n for n in _PAGE.findall(path.read_text("utf-8")) if not is_there(n)])
    }
    assert not wrong


def test_the_architecture_names_only_modules_of_each_folder() -> None:
    text = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    folders = [
        row
        for row in re.findall(r"^- `([\w/]+)`: (.*(?:\n  .*)*)", text, re.MULTILINE)
        if is_there(row[0])
    ]
    assert len(folders) > 10
    named = [
        f"{folder}/{module}" for folder, cell in folders for module in re.findall(r"`(\w+)`", cell)
    ]
    assert not [name for name in named if not is_there(name)]


def test_the_layers_of_the_architecture_are_there() -> None:
    text = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(
        rf"\b((?:{'|'.join(INSTALLED)}|chatapp)/\w+)\b", text.partition("Imports only go down")[0]
    )
    assert len(drawn) > 8
    assert not [name for name in drawn if not is_there(name)]


@pytest.mark.parametrize(
    "name",
    [
        "wire/no_such_file",
        "wire.limits.NO_SUCH_LIMIT",
        "wire.no_such_module",
        "test_no_such_file.py",
    ],
)
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert list(unknown_names(f"as `{name}` says")) == [name]


@pytest.mark.parametrize(
    "name", ["wire/limits", "wire/limits.py", "wire.limits.NAMES_MAX", "tests/guard/", "wire.codec"]
)
def test_a_name_that_exists_is_not_reported(name: str) -> None:
    assert list(unknown_names(f"as `{name}` says")) == []
