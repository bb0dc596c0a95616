"""The systemd unit: systemd understands every line of it, and it gives a registry what it needs and nothing more."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from chatapp.registry.settings import VARIABLES, configure
from tests.support.program import CHECKOUT

FOLDER: Final = CHECKOUT / "contrib" / "systemd"
UNIT: Final = FOLDER / "chatapp@.service"
MOST_EXPOSED: Final = 20
"""Of 100: what `systemd-analyze security` may find open at most."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def service() -> configparser.SectionProxy:
    """The section [Service]; a repeated key keeps its last value."""
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read_string(UNIT.read_text("utf-8"))
    return unit["Service"]


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on an instance of the unit, whose program is there."""
    instance = folder / "chatapp@5000.service"
    program = service()["ExecStart"].split()[0]
    instance.write_text(UNIT.read_text("utf-8").replace(program, sys.executable), "utf-8")
    return subprocess.run(
        ["systemd-analyze", *words, str(instance)], capture_output=True, text=True, timeout=60, check=False
    )


@needs_systemd
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify", "--man=no", "--recursive-errors=no")
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_the_service_well_protected(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}")
    assert done.returncode == 0, done.stdout


def test_the_command_line_of_the_unit_is_one_of_a_registry() -> None:
    words = service()["ExecStart"].replace("%i", "5000").split()
    assert words[1:3] == ["-s", "5000"]
    assert words[3:] == ["--config", "/etc/chatapp/5000.toml"]
    assert service()["ExecReload"].split() == [words[0], "admin", "reload", "--port", "%i"]
    variable, _, folder = service()["Environment"].partition("=")
    assert variable == VARIABLES["data"]
    assert folder == f"/var/lib/{service()['StateDirectory']}"
    # The sample is what the manual tells people to copy there.
    configure(CHECKOUT / "docs" / "chatapp.toml", environment={variable: folder})


def test_the_service_runs_as_the_user_that_is_made_for_it() -> None:
    (line,) = [
        line
        for line in (FOLDER / "chatapp.sysusers").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert line.split()[:2] == ["u", service()["User"]]
    assert line.split()[-1] == f"/var/lib/{service()['StateDirectory']}"
