"""`docs/reference/protocol.md` as data: its clauses, tables and test vectors."""

import re
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[2]
_DOCUMENT: Final = ROOT / "docs/reference/protocol.md"
_ATTACHING: Final = ROOT / "docs/reference/rpc.md"
_HEADING: Final = re.compile(r"^##+ ([0-9]+(?:\.[0-9]+)?)\.? (.*)$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```vectors (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CELL: Final = re.compile(r"(?<!\\)\|")

Vectors = dict[str, dict[str, str]]
"""Blocks by name, each with values as they are written, by name."""


@cache
def text() -> str:
    """The whole document."""
    return _DOCUMENT.read_text(encoding="utf-8")


@cache
def clauses() -> dict[str, str]:
    """The text of each clause by its number ("5.1"); that of a chapter ("5") is what stands before
    its first clause."""
    headings = list(_HEADING.finditer(text()))
    ends = [heading.start() for heading in headings[1:]] + [len(text())]
    found: dict[str, str] = {}
    for heading, end in zip(headings, ends, strict=True):
        assert heading[1] not in found, f"clause {heading[1]} stands there twice"
        found[heading[1]] = flowing(text()[heading.end() : end])
    return found


@cache
def attaching_clauses() -> set[str]:
    """The numbers of the clauses and chapters of docs/reference/rpc.md, for programs that attach to a
    peer."""
    found = re.findall(
        r"^(?:## )?([0-9]+(?:\.[0-9]+)?)\. ", _ATTACHING.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(found) == len(set(found)), "a clause stands there twice"
    return set(found)


def flowing(some: str) -> str:
    """Return a text without its line ends, because line breaks have no meaning."""
    return " ".join(some.split())


def rows(number: str, *, columns: int) -> list[list[str]]:
    """The rows of all tables in a clause that have so many columns, without headings; cells as
    written."""
    start = re.search(rf"^##+ {re.escape(number)}\.? .*$", text(), re.MULTILINE)
    assert start is not None, f"there is no clause {number}"
    end = _HEADING.search(text(), start.end())
    lines = text()[start.end() : end.start() if end else None].splitlines()
    tables = [line for line in lines if line.startswith("|")]
    found = [[cell.strip() for cell in _CELL.split(line.strip())[1:-1]] for line in tables]
    rulers = {place for place, row in enumerate(found) if set("".join(row)) <= {"-"} and any(row)}
    headings = {place - 1 for place in rulers}
    return [
        row
        for place, row in enumerate(found)
        if place not in rulers | headings and len(row) == columns
    ]


@cache
def constants() -> dict[str, str]:
    """The names and values of clause 12."""
    found = re.search(r"^```constants\n(.*?)^```$", text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    lines = [line.split(maxsplit=2) for line in found[1].splitlines()]
    assert len({line[0] for line in lines}) == len(lines), "a constant stands there twice"
    return {name: value for name, value, *_ in lines}


@cache
def vectors() -> Vectors:
    """The blocks of test vectors."""
    return {name: _values(body) for name, body in _BLOCK.findall(text())}


def _values(body: str) -> dict[str, str]:
    values: dict[str, str] = {}
    name = ""
    for line in body.splitlines():
        if line.startswith(" "):
            values[name] += line.strip()
        else:
            name, _, value = line.partition(" = ")
            assert name not in values, f"{name} stands there twice"
            values[name] = value
    return values


# --- values of the test vectors


def printed(block: str, name: str) -> bytes:
    """A value of the document."""
    return bytes.fromhex(vectors()[block][name])


def number(block: str, name: str) -> int:
    """A number of the document."""
    return int(vectors()[block][name])


def words(block: str, name: str) -> str:
    """A text of the document."""
    return vectors()[block][name].strip('"')


def fields(block: str, name: str, *, skipped: int = 0) -> list[object]:
    """A message of the document as an array."""
    found = msgspec.msgpack.decode(printed(block, name)[skipped:])
    assert isinstance(found, list)
    return found


SEED: Final = printed("keys", "alice.identity.seed")
REGISTRY_SEED: Final = printed("keys", "registry.identity.seed")
ALICE: Final = printed("keys", "alice.identity")
BOB: Final = printed("keys", "bob.identity")
REGISTRY: Final = printed("keys", "registry.identity")
