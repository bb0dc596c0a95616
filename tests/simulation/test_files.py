"""Worlds of files that a seed tells (`filestory`). CHATAPP_FILE_SEEDS says how many; CHATAPP_SEED=<n> plays one."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.filestory import try_seed

CHOSEN: Final = os.environ.get("CHATAPP_SEED")
SEEDS: Final = int(os.environ.get("CHATAPP_FILE_SEEDS", "12"))


@pytest.mark.parametrize("seed", [int(CHOSEN)] if CHOSEN else range(SEEDS))
async def test_who_accepts_a_file_gets_it_or_is_told_why_not(seed: int, tmp_path: Path) -> None:
    await try_seed(seed, tmp_path)
