"""This file is about what the tests of the command line stand on: nothing is started, and what would be is remembered."""

import sys
import types

import pytest

from registry.configuration import VARIABLES
from tests.cli.starting import Started


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    stand_in = Started()
    runs = {
        "registry.server": stand_in.serve,
        "peer.ui.main": stand_in.chat,
        "peer.ui.once": stand_in.say,
        "peer.desk.main": stand_in.visit,
    }
    for name, run in runs.items():
        module = types.ModuleType(name)
        vars(module)["run"] = run
        monkeypatch.setitem(sys.modules, name, module)
    return stand_in
