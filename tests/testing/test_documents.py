"""The examples in the documents run."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def examples(page: str) -> Iterator[Any]:
    """Yield the examples of a page."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for number, block in enumerate(blocks, 1):
        yield pytest.param(block, id=f"{page}-{number}")


@pytest.mark.parametrize("code", list(examples("testing.md")))
async def test_an_example_runs(code: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests or "@pytest.fixture" in code
    for test in tests:
        assert inspect.iscoroutinefunction(test)
        await test()
