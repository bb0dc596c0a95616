"""The folder for these tests' thousands of tiny files: in memory if the system has such a place."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

_IN_MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """An empty folder, gone afterwards."""
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="store-", dir=place) as folder:
        yield Path(folder)


@pytest.fixture
def new_folder(tmp_path: Path) -> Callable[[], Path]:
    """Return a function that makes empty folders."""
    numbers = itertools.count()

    def make() -> Path:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return folder

    return make
