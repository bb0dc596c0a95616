"""The registry's log: JSON lines with stable names, and a file that is reopened."""

import json
import logging
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from chatapp.registry.rules import effects
from chatapp.registry.telemetry.logs import (
    JsonFormatter,
    Log,
    LogUnusable,
    RegistryStarted,
    event_name,
)
from chatapp.wire.address import Address

DOCUMENT = Path(__file__).parents[3] / "docs/howto/registry.md"
EVENTS = (
    effects.PeerRegistered(name="bob\x1b", address=Address("192.0.2.7", 6000)),
    effects.LinkEnded(name="eve", address=Address("::1", 7), reason=effects.LinkEndReason.SILENT),
    effects.Fault(reason="KeyError('x')", places=("core.py:9",)),
    RegistryStarted(port=5000, key="ab"),
)


@pytest.fixture(autouse=True)
def other_handlers() -> Iterator[None]:
    """Put back the handlers of the tests' own log."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    for handler in logging.root.handlers:
        if handler not in handlers:
            handler.close()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def line_of(event: msgspec.Struct | None, message: str = "said") -> dict[str, object]:
    record = logging.LogRecord(
        "chatapp.registry.program.driver", logging.WARNING, "", 0, message, (), None
    )
    if event is not None:
        record.event = event
    text = JsonFormatter().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(found.pop("at")))
    assert found.pop("level") == "warning"
    return found


def test_an_event_is_an_object_with_its_fields() -> None:
    assert [line_of(event) for event in EVENTS] == [
        {"event": "peer_registered", "name": "bob\x1b", "address": "192.0.2.7:6000"},
        {"event": "link_ended", "name": "eve", "address": "[::1]:7", "reason": "silent"},
        {"event": "fault", "reason": "KeyError('x')", "places": ["core.py:9"]},
        {"event": "registry_started", "port": 5000, "key": "ab"},
    ]


def test_any_other_record_is_a_log_with_its_message() -> None:
    assert line_of(None, "two\nlines") == {
        "event": "log",
        "part": "registry.program.driver",
        "message": "two\nlines",
    }


def test_the_handbook_names_every_event() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for event in get_args(effects.Event):
        assert f"`{re.sub(r'(?<!^)(?=[A-Z])', '_', event.__name__).lower()}`" in text
    assert f"`{event_name(EVENTS[-1])}`" in text


def test_a_log_file_is_for_its_owner_and_begins_anew_once_it_was_moved(tmp_path: Path) -> None:
    path = tmp_path / "registry.log"
    log = Log(level="info", form="json", file=path)
    logging.getLogger("chatapp.registry").info("first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.rename(tmp_path / "old.log")
    log.reopen()
    logging.getLogger("chatapp.registry").info("second")
    logging.getLogger("chatapp.registry").debug("not logged")
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == ["second"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_opened_again_is_told_and_standard_error_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = Log(level="info", form="text", file=folder / "registry.log")
    (folder / "registry.log").unlink()
    folder.rmdir()
    log.reopen()
    logging.getLogger("chatapp.registry").info("goes on")
    told, line = capsys.readouterr().err.splitlines()
    assert told == f"ChatApp: {folder / 'registry.log'}: No such file or directory"
    assert line.endswith("goes on")


def test_a_log_file_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogUnusable, match=r"nowhere/x\.log: No such file or directory$"):
        Log(level="info", form="text", file=tmp_path / "nowhere" / "x.log")
