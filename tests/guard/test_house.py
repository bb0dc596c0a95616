"""What the house has reached stays: no figure of `python -m tests.house` grows."""

import ast
from pathlib import Path

import pytest

from tests import house
from tests.house import House, Times, figures, kept, times_of


@pytest.fixture(scope="module")
def counted() -> dict[str, int]:
    return {figure.name: figure.today for figure in figures(House())}


def test_no_figure_grows(counted: dict[str, int]) -> None:
    limits = kept()
    assert list(limits) == list(counted), "write them again: python -m tests.house --keep"
    grown = [
        f"{name}: {counted[name]}, not {most}"
        for name, most in limits.items()
        if counted[name] > most
    ]
    assert grown == []


def test_every_recipe_of_a_setting_and_a_request_is_counted(counted: dict[str, int]) -> None:
    recipes = [name for name in counted if name.startswith("recipe ")]
    assert len(recipes) == 6
    assert all(counted[name] > 0 for name in recipes)


def test_circles_and_chains_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(**graph: str) -> tuple[list[list[str]], int]:
        small = House.__new__(House)
        imports = {name: frozenset(others.split()) for name, others in graph.items()}
        monkeypatch.setattr(House, "imports", imports)
        return [sorted(circle) for circle in small.circles()], small.chain()

    assert of(a="b", b="c", c="") == ([], 3)
    assert of(a="b c", b="c", c="b d", d="") == ([["b", "c"]], 3)
    assert of(a="a2", a2="a", b="") == ([["a", "a2"]], 1)


def test_imports_inside_of_functions_count_and_those_for_types_do_not() -> None:
    source = "if TYPE_CHECKING:\n    import a\nimport b.c\ndef f():\n    from d import e\n"
    found = set(house._imported(ast.parse(source)))
    assert found == {("b.c", ""), ("d", "e")}


def test_how_long_tests_took_is_read(tmp_path: Path) -> None:
    file = tmp_path / "tests.xml"
    assert times_of(file) is None
    file.write_text(
        "<testsuites><testsuite time='7'><testcase classname='tests.a' name='x' time='2.5'/>"
        "<testcase classname='tests.faults.b' name='y' time='9'/></testsuite></testsuites>"
    )
    assert times_of(file) == Times(7.0, 2.5, "tests.a.x")
