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
    runs: dict[str, dict[str, object]] = {
        "chatapp.registry.program.server": {"run": stand_in.serve},
        "chatapp.peer.faces.line.main": {"run": stand_in.chat, "run_visit": stand_in.visit},
        "chatapp.peer.faces.line.send": {"run": stand_in.say, "run_file": stand_in.say},
    }
    for name, functions in runs.items():
        module = types.ModuleType(name)
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, name, module)
    return stand_in
