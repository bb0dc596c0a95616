"""The desk that most tests here begin with: open, with the registry's own terminal as its operator."""

import pytest

from tests.registry.desk.hall import Hall


@pytest.fixture
def hall() -> Hall:
    hall = Hall()
    hall.open()
    return hall
