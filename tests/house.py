"""How large the house is and how its parts hang together: each figure, how it is counted, what it
may be today and what it is to be.

    python -m tests.house          the table
    python -m tests.house --keep   write lower figures into tests/guard/house.toml

`tests/guard/test_house.py` keeps the figures from growing.
"""

import argparse
import ast
import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
KEPT: Final = ROOT / "tests" / "guard" / "house.toml"
TIMES: Final = ROOT / "build" / "tests.xml"
"""How long each test took when `make test` ran last."""

PRODUCT: Final = ("chatapp", "peer", "registry", "wire")
CORES: Final = ("peer/core/", "registry/rules/", "registry/engine/", "wire/")
"""Where nothing does I/O."""
HOPS: Final = {
    "first message: files": 45,
    "first message: functions": 250,
    "REGISTER, at the registry: files": 30,
    "REGISTER, at the registry: functions": 150,
    "room line, at the registry: files": 18,
    "room line, at the registry: functions": 70,
    "room line, key to screen: files": 60,
    "room line, key to screen: functions": 250,
}
"""What an event passes through, from end to end or at one program, and what it is to be."""
_STEP: Final = re.compile(r"^\d+\. `([^`]+)`", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    today: int
    target: int | None
    how: str


class House:
    """The files of a commit, or of what is about to be one."""

    def __init__(self, root: Path = ROOT) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        self._root = root
        self._files = sorted(file for file in listed.stdout.split() if (root / file).is_file())

    @cached_property
    def product(self) -> Mapping[str, str]:
        """The text of each module of the product."""
        return {
            file: (self._root / file).read_text("utf-8")
            for file in self._files
            if file.endswith(".py") and file.split("/")[0] in PRODUCT
        }

    @cached_property
    def _trees(self) -> Mapping[str, ast.Module]:
        return {file: ast.parse(text) for file, text in self.product.items()}

    def lines(self, folder: str) -> int:
        """Return the lines of the Python files in a folder."""
        return sum(
            len((self._root / file).read_text("utf-8").splitlines())
            for file in self._files
            if file.endswith(".py") and file.startswith(f"{folder}/")
        )

    def words(self, folder: str = "") -> dict[str, int]:
        """Return the words of each document in a folder."""
        return {
            file: len((self._root / file).read_text("utf-8").split())
            for file in self._files
            if file.endswith(".md") and file.startswith(folder)
        }

    # --- imports

    @cached_property
    def imports(self) -> Mapping[str, frozenset[str]]:
        """The modules that each module imports, also inside of functions, but not for types
        alone."""
        modules = {module_of(file): file for file in self.product}
        return {
            module: frozenset(
                found
                for name, member in _imported(self._trees[file])
                if (found := _existing(name, member, modules)) not in (None, module)
            )
            for module, file in modules.items()
        }

    def circles(self) -> list[list[str]]:
        """Return the groups of modules that import each other in a circle."""
        return [group for group in self._groups if len(group) > 1]

    def chain(self) -> int:
        """Return how many modules the longest chain of imports has, a circle counted as one."""
        of = {module: at for at, group in enumerate(self._groups) for module in group}
        length: dict[int, int] = {}
        for at, group in enumerate(self._groups):  # what a group imports stands before it
            below = {of[module] for one in group for module in self.imports[one]} - {at}
            length[at] = 1 + max((length[under] for under in below), default=0)
        return max(length.values())

    @cached_property
    def _groups(self) -> list[list[str]]:
        return list(_strongly_connected(self.imports))

    # --- shapes

    def constructors(self) -> dict[str, int]:
        """Return how many parameters the constructor of each class of a core has."""
        return {
            f"{file}: {node.name}": _parameters(made) - 1
            for file, tree in self._trees.items()
            if file.startswith(CORES)
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for made in node.body
            if isinstance(made, ast.FunctionDef) and made.name == "__init__"
        }

    def recipes(self) -> dict[str, int]:
        """Return how many files of the product each recipe of CONTRIBUTING touches."""
        text = (self._root / "CONTRIBUTING.md").read_text("utf-8")
        found: dict[str, int] = {}
        begin = r"\n(?=As [`/]|A request to the registry)"
        for part in re.split(begin, text.partition("recipes\n")[2].partition("## Rules")[0]):
            files = {file for file in _STEP.findall(part) if file.split("/")[0] in PRODUCT}
            if files:
                found[re.split("[:,]", part, maxsplit=1)[0]] = len(files)
        return found


def module_of(file: str) -> str:
    """Return the name under which a file is imported."""
    name = re.sub(r"(/__init__)?\.py$", "", file).replace("/", ".")
    return name if name.split(".")[0] == "chatapp" else f"chatapp.{name}"


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield what a module imports: a module, and a name in it, empty for none."""
    left: list[ast.AST] = [tree]
    while left:
        match left.pop():
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                continue
            case ast.Import(names=names):
                yield from ((name.name, "") for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((module, name.name) for name in names)
            case node:
                left += ast.iter_child_nodes(node)


def _existing(name: str, member: str, modules: Iterable[str]) -> str | None:
    return next((found for found in (f"{name}.{member}", name) if found in modules), None)


def _strongly_connected(graph: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Yield the groups of nodes that reach each other, by Tarjan's algorithm: what a group reaches
    comes before it."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    done: set[str] = set()

    def visit(node: str) -> Iterator[list[str]]:
        index[node] = low[node] = len(index)
        path.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                yield from visit(other)
                low[node] = min(low[node], low[other])
            elif other not in done:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = path[path.index(node) :]
            del path[path.index(node) :]
            done.update(group)
            yield group

    for node in sorted(graph):
        if node not in index:
            yield from visit(node)


def _parameters(function: ast.FunctionDef) -> int:
    arguments = function.args
    return len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs)


class Times(NamedTuple):
    """How long tests took, in seconds."""

    all: float
    """From the first to the last, by several workers."""
    longest: float
    name: str
    """That of the longest one outside of `tests/faults`."""


def times_of(file: Path = TIMES) -> Times | None:
    """Return how long the tests took when `make test` ran last; None if it never ran here."""
    if not file.exists():
        return None
    root = ET.parse(file).getroot()
    longest = max(
        (float(case.get("time", 0)), f"{case.get('classname')}.{case.get('name')}")
        for case in root.iter("testcase")
        if not case.get("classname", "").startswith("tests.faults")
    )
    return Times(sum(float(suite.get("time", 0)) for suite in root.iter("testsuite")), *longest)


def figures(house: House) -> list[Figure]:
    """Return every figure that is kept from growing."""
    constructors = house.constructors()
    largest = max(constructors, key=lambda name: constructors[name])
    decisions = house.words("docs/decisions/")
    del decisions["docs/decisions/README.md"]
    counted = [
        Figure(
            "product: lines",
            sum(map(house.lines, PRODUCT)),
            68_000,
            "chatapp, peer, registry, wire",
        ),
        Figure("product: files", len(house.product), 330, "the same folders"),
        Figure("circles of imports", len(house.circles()), 0, "imports in functions, too"),
        Figure("longest chain of imports", house.chain(), 24, "modules; a circle counts as one"),
        Figure("largest constructor of a core", constructors[largest], 6, largest),
        Figure("tests: lines", house.lines("tests"), 65_000, "all of tests/"),
        Figure("documents: words", sum(house.words().values()), 60_000, "all *.md"),
        Figure("decisions", len(decisions), 40, "pages of docs/decisions"),
        Figure(
            "decisions: longest",
            max(decisions.values()),
            250,
            max(decisions, key=lambda name: decisions[name]),
        ),
    ]
    limits = kept()
    for name, target in HOPS.items():
        today = limits.get(name, target)
        counted.append(Figure(name, today, target, "tests/guard/test_hops.py, which compares"))
    goals = {"As `--ack-timeout`": 4, "As `lease`": 4, "A request": 12}
    for name, files in house.recipes().items():
        goal = next((goal for start, goal in goals.items() if name.startswith(start)), None)
        counted.append(
            Figure(f"recipe {name}", files, goal, "files of the product in CONTRIBUTING.md")
        )
    return counted


def kept() -> dict[str, int]:
    """Return what each figure may be."""
    return dict(tomllib.loads(KEPT.read_text("utf-8"))) if KEPT.exists() else {}


def _keep(counted: Iterable[Figure]) -> None:
    before = kept()
    lines = []
    for figure in counted:
        step = 500 if figure.name.endswith((": lines", ": words")) else 1
        most = -(-figure.today // step) * step
        lines.append(f'"{figure.name}" = {min(most, before.get(figure.name, most))}\n')
    head = "# What each figure of `python -m tests.house` may be; `--keep` writes lower ones.\n"
    KEPT.write_text(head + "".join(lines), "utf-8")


def main() -> None:
    """Print the table, or keep what is reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.house", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="write lower figures into house.toml")
    asked = parser.parse_args()
    counted = figures(House())
    if asked.keep:
        _keep(counted)
    may = kept()
    print(f"{'':46} {'today':>7} {'may be':>7} {'target':>7}  counted")
    for figure in counted:
        limit, target = may.get(figure.name, ""), "" if figure.target is None else figure.target
        print(f"{figure.name:46} {figure.today:7} {limit:>7} {target:>7}  {figure.how}")
    times = times_of()
    if times is None:
        print("How long tests take is known when `make test` has run here.")
    else:
        print(f"{'make test: seconds':46} {times.all:7.0f} {'':7} {180:7}  two quiet cores")
        print(f"{'longest test: seconds':46} {times.longest:7.1f} {'':7} {10:7}  {times.name}")


if __name__ == "__main__":
    main()
