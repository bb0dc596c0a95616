"""This file is about what every end-to-end test stands on: its own programs, gone at its end, none of them complaining."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.stage import Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Programs of one test. Whatever a test is about, no program may complain on standard error meanwhile."""
    stage = Stage(tmp_path)
    try:
        yield stage
        assert stage.complaints() == []
    finally:
        await stage.close()
        print(*stage.programs, sep="\n")  # shown for a test that failed
