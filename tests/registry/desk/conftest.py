"""Fixtures: an open help desk whose operator is the registry's own terminal."""

import pytest

from tests.registry.desk.hall import Hall


@pytest.fixture
def hall() -> Hall:
    hall = Hall()
    hall.open()
    return hall
