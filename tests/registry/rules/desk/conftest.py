"""Fixtures: an open help desk whose operator is the registry's own terminal."""

import pytest

from tests.registry.rules.desk.help_desk import HelpDesk


@pytest.fixture
def help_desk() -> HelpDesk:
    help_desk = HelpDesk()
    help_desk.open()
    return help_desk
