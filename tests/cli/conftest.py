"""Fixtures for command-line tests: the programs are replaced, and what would be started is
recorded."""

import sys
import types

import pytest

from chatapp.registry.program.settings import VARIABLES
from tests.cli.starting import Started


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    stand_in = Started()
    runs = {
        "chatapp.registry.program.server": stand_in.serve,
        "chatapp.peer.faces.line.main": stand_in.chat,
        "chatapp.peer.faces.line.send": stand_in.say,
        "chatapp.peer.faces.line.visitor": stand_in.visit,
    }
    for name, run in runs.items():
        module = types.ModuleType(name)
        vars(module)["run"] = run
        monkeypatch.setitem(sys.modules, name, module)
    return stand_in
