"""The claims of `docs/explanation/security.md`, and the tests that show each of them.

`security.toml` beside this file has a table for each section of the document and a line for each
sentence of it, in the document's order:

    "the beginning of the sentence" = ["tests/folder/test_file.py::test_name", ...]

The beginning is that of one sentence of its section, without `*` and backquotes. A path alone means
that the whole file is about the sentence. Instead of tests a sentence may have one of these words:

- "reader": it explains a word or advises the reader, and promises nothing.
- "admitted": it grants somebody a power without a bound that anybody relies on. What somebody
  *cannot* do is never
  "admitted".

A sentence that no test shows stands in no line: in the document "(not tested)" follows it, before
its full stop.

`python -m tests.guard.security` prints every sentence with its tests.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs/explanation/security.md"
LIST: Final = Path(__file__).with_suffix(".toml")

NOT_TESTED: Final = "(not tested)"
READER: Final = "reader"
ADMITTED: Final = "admitted"

_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`])")

Shown: TypeAlias = list[str] | str
"""The tests of a sentence, or one of the two words."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the document, or a row of a table that is not about what somebody can do."""

    section: str
    text: str
    is_denial: bool
    """Whether it stands in a column *cannot*."""

    @property
    def is_untested(self) -> bool:
        return self.text.rstrip(".!?").endswith(NOT_TESTED)


def claims(document: str) -> list[Claim]:
    """The claims of a document, in their order."""
    found: list[Claim] = []
    section = ""
    for block in _blocks(document):
        if block.startswith("#"):
            section = block.lstrip("# ")
        elif block.startswith("|"):
            found += _claims_of_a_table(section, block.splitlines())
        else:
            found += [Claim(section, text, is_denial=False) for text in _sentences(block)]
    return found


def _blocks(document: str) -> Iterator[str]:
    """The headings, tables, paragraphs and bullets of a document."""
    for paragraph in re.split(r"\n\s*\n", document):
        yield from re.split(r"\n(?=- )", paragraph.strip()) if paragraph.strip() else ()


def _claims_of_a_table(section: str, lines: list[str]) -> Iterator[Claim]:
    head, _, *rows = [_cells(line) for line in lines]
    powers = [name.rpartition(" ")[2] for name in head]
    for cells in rows:
        if powers == ["can", "cannot"]:
            for power, cell in zip(powers, cells, strict=True):
                yield from (
                    Claim(section, text, is_denial=power == "cannot") for text in _sentences(cell)
                )
        else:
            yield Claim(section, _plain(" | ".join(cells)), is_denial=False)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]


def _sentences(text: str) -> Iterator[str]:
    return map(_plain, filter(None, _END.split(text.removeprefix("- ").replace("*", ""))))


def _plain(text: str) -> str:
    """A text without emphasis, quotes of code and line ends."""
    return " ".join(re.sub(r"[*`]", "", text).split())


def read_list() -> dict[str, dict[str, Shown]]:
    return tomllib.loads(LIST.read_text(encoding="utf-8"))


def faults(claims: list[Claim], listed: dict[str, dict[str, Shown]]) -> Iterator[str]:
    """What does not fit between the document and the list, each in one line."""
    for section in listed.keys() - {claim.section for claim in claims}:
        yield f'security.md has no section "{section}"'
    for section in dict.fromkeys(claim.section for claim in claims):
        here = [claim for claim in claims if claim.section == section]
        yield from _faults_of_a_section(section, here, listed.get(section, {}))


def _faults_of_a_section(
    section: str, claims: list[Claim], listed: dict[str, Shown]
) -> Iterator[str]:
    places: list[int] = []
    for beginning, shown in listed.items():
        match [place for place, claim in enumerate(claims) if claim.text.startswith(beginning)]:
            case [place]:
                places.append(place)
                yield from (
                    f'"{beginning}": {fault}' for fault in _faults_of_a_line(claims[place], shown)
                )
            case found:
                number = "several sentences begin" if found else "no sentence begins"
                yield f'{number} so in "{section}" of security.md: "{beginning}"'
    for place, claim in enumerate(claims):
        if places.count(place) > 1:
            yield f'"{claim.text}" has several lines in {LIST.name}'
        if (place in places) == claim.is_untested:
            yield (
                _UNSHOWN.format(claim=claim) if not claim.is_untested else _BOTH.format(claim=claim)
            )
    if places != sorted(places):
        first = next(later for earlier, later in pairwise(places) if later < earlier)
        yield f'"{claims[first].text}" stands too late in {LIST.name}: lines are in the document\'s order'


_UNSHOWN: Final = (
    f'no test for "{{claim.text}}" in "{{claim.section}}" of security.md: name its tests in tests/guard/{LIST.name}, '
    f"or write {NOT_TESTED} behind it"
)
_BOTH: Final = f'"{{claim.text}}" says {NOT_TESTED}, and {LIST.name} has a line for it'


def _faults_of_a_line(claim: Claim, shown: Shown) -> Iterator[str]:
    match shown:
        case []:
            yield "no test is named"
        case list():
            yield from (f"there is no test {name}" for name in shown if not is_test(name))
        case "admitted" if claim.is_denial:
            yield "what somebody cannot do is not admitted: it needs a test"
        case "admitted" | "reader":
            pass
        case _:
            yield f'"{shown}" is neither "reader" nor "admitted" nor a list of tests'


def is_test(name: str) -> bool:
    """Whether there is such a test, or such a file of tests."""
    path, _, test = name.partition("::")
    return Path(path).name.startswith("test_") and (
        test in _tests(path) if test else bool(_tests(path))
    )


@cache
def _tests(path: str) -> frozenset[str]:
    """The tests that a file defines, those of classes as `TestClass::test_name`."""
    if not (ROOT / path).is_file():
        return frozenset()
    return frozenset(_tests_in(ast.parse((ROOT / path).read_text(encoding="utf-8"))))


def _tests_in(module: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in module.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith(
                "test_"
            ):
                yield name
            case ast.ClassDef(name=name) if name.startswith("Test"):
                yield from (f"{name}::{test}" for test in _tests_in(node))
            case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("Test"):
                yield name  # a state machine


def main() -> None:
    listed = read_list()
    section = ""
    for claim in claims(DOCUMENT.read_text(encoding="utf-8")):
        if claim.section != section:
            section = claim.section
            print(f"\n{section}")
        found = (
            shown
            for begin, shown in listed.get(section, {}).items()
            if claim.text.startswith(begin)
        )
        shown = next(found, "")
        print(f"\n  {claim.text}")
        for name in [shown] if isinstance(shown, str) else shown:
            print(f"    {name}")


if __name__ == "__main__":
    main()
