"""Tests of the mutation testing tool, on modules of a few lines."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.__main__ import JUDGED, ROOT, main
from tests.mutants.operators import mutants_of
from tests.mutants.running import functions_of, put_into

FAULTS = [
    ("if a < b: pass", "if a < b -> if a <= b"),
    ("x = a == b", "x = a == b -> x = a != b"),
    ("x = a and b", "x = a and b -> x = a or b"),
    ("x = not a", "x = not a -> x = a"),
    ("x = a + 1", "x = a + 1 -> x = a - 1"),
    ("x = a + 1", "x = a + 1 -> x = a + 2"),
    ("x = True", "x = True -> x = False"),
    ("return min(a, b)", "return min(a, b) -> return max(a, b)"),
    ("if a: pass", "if a -> if not a"),
    ("while a: break", "break -> continue"),
    ("a.b()", "a.b() -> pass"),
    ("a.b = c", "a.b = c -> pass"),
    ("a += b", "a += b -> pass"),
    (
        "x = [one for one in a if one in b]",
        "x = [one for one in a if one in b] -> x = [one for one in a if one not in b]",
    ),
    ("match a:\n        case 1 if b > 2: pass", "b > 2 -> b >= 2"),
]


@pytest.mark.parametrize(("line", "change"), FAULTS)
def test_each_kind_of_fault_is_put_in(line: str, change: str) -> None:
    source = f"def f(a, b, c):\n    {line}\n"
    assert (("f", change)) in [(one.where, one.change) for one in mutants_of(source, "f.py")]


@pytest.mark.parametrize(
    "line",
    [
        "'a doc'",
        "assert a > 1",
        "_log.info('x')",
        "x = f'{1 + 1}'",
        "x: Literal[1]",
        "return zip(a, b, strict=True)",
    ],
)
def test_code_without_a_fault_is_left_alone(line: str) -> None:
    assert list(mutants_of(f"def f(a, b, c):\n    {line}\n", "f.py")) == []


def test_a_fault_is_named_by_its_function_and_the_same_one_twice_by_its_count() -> None:
    source = "class A:\n    def b(self):\n        self.c()\n        self.c()\nD = 1\n"
    found = [
        (one.where, one.change, one.lines, one.is_in_function) for one in mutants_of(source, "a.py")
    ]
    assert found == [
        ("A.b", "self.c() -> pass", (3, 3), True),
        ("A.b", "self.c() -> pass #2", (4, 4), True),
        ("", "D = 1 -> D = 2", (5, 5), False),
    ]


def test_a_fault_gets_into_functions_that_exist_already(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    source = "import functools\n@functools.cache\ndef f():\n    def g(): return 1\n    return g\n"
    module.write_text(source, "utf-8")
    space: dict[str, Any] = {}
    exec(compile(source, str(module), "exec"), space)
    held = space["f"]()
    functions = functions_of(module)
    assert [function.__qualname__ for function in functions] == ["f", "f.<locals>.g"]
    (mutant,) = mutants_of(source, str(module))
    assert put_into(functions, mutant.code)
    assert held() == 2


MODULE = """
LARGEST = 3

def is_small(number):
    return number <= LARGEST

def wait(ready):
    while not ready:
        pass

def unused(a):
    return a + a
"""
TESTS = """
from toy import is_small, wait

def test_small():
    assert is_small(2)
    assert not is_small(9)
    wait(True)
"""
JUDGEMENT = """
[[module]]
path = "toy.py"
tests = ["tests/test_toy.py"]

[[module.equivalent]]
in = "unused"
change = "return a + a -> return a - a"
why = "nobody calls it"

[[module.equivalent]]
in = "gone"
change = "a -> b"
why = "it was there once"
"""


def test_what_survives_is_told_unless_it_is_judged(tmp_path: Path) -> None:
    """In a checkout with one module of its own. The endless loop counts as noticed."""
    for part in ("tests/mutants", "pyproject.toml"):
        target = tmp_path / part
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(ROOT / part)
    (tmp_path / "toy.py").write_text(MODULE, "utf-8")
    (tmp_path / "tests/test_toy.py").write_text(TESTS, "utf-8")
    (tmp_path / "judged.toml").write_text(JUDGEMENT, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants", "--judged", "judged.toml", "--limit", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[1:] == [
        "    survived: toy.py:2 at import: LARGEST = 3 -> LARGEST = 4",
        "    survived: toy.py:5 is_small: return number <= LARGEST -> return number < LARGEST",
        "    judged, but killed or gone: gone: a -> b",
    ], done.stdout + done.stderr
    assert lines[0].startswith("toy.py: 1 of 4 killed, 1 equivalent, ")
    assert done.returncode == 1


def test_unchanged_code_that_does_not_survive_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "toy.py").write_text(MODULE, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tests.mutants.running.survivors", lambda *_, **__: [])
    listed = tmp_path / "judged.toml"
    listed.write_text('[[module]]\npath = "toy.py"\ntests = ["test_toy.py"]\n', "utf-8")
    assert main(["--judged", str(listed)]) == 1
    assert capsys.readouterr().out == "toy.py: its tests fail although nothing is changed\n"


def test_every_judged_module_is_there_with_its_tests() -> None:
    listed = tomllib.loads(JUDGED.read_text("utf-8"))["module"]
    for module in listed:
        for path in (module["path"], *module["tests"]):
            assert (ROOT / path.partition("::")[0]).exists(), path
        assert all(one["why"] for one in module.get("equivalent", []))
