"""The systemd unit: systemd understands every line of it, and it gives a registry what it needs and
nothing more."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from chatapp.registry.program.settings import VARIABLES, configure
from tests.cast.program import CHECKOUT

FOLDER: Final = CHECKOUT / "contrib" / "systemd"
UNIT: Final = FOLDER / "chatapp@.service"
BACKUP: Final = FOLDER / "chatapp-backup@.service"
TIMER: Final = FOLDER / "chatapp-backup@.timer"
MOST_EXPOSED: Final = 20
"""Of 100: what `systemd-analyze security` may find open at most."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def service(path: Path = UNIT) -> configparser.SectionProxy:
    """The section [Service]; a repeated key keeps its last value."""
    unit = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read_string(path.read_text("utf-8"))
    return unit["Service"]


def analyze(folder: Path, unit: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on an instance of a unit, whose program is there."""
    instance = folder / unit.name.replace("@", "@5000")
    program = service(unit)["ExecStart"].split()[0]
    instance.write_text(unit.read_text("utf-8").replace(program, f'"{sys.executable}"'), "utf-8")
    return subprocess.run(
        ["systemd-analyze", *words, str(instance)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, BACKUP], ids=lambda unit: unit.name)
def test_systemd_understands_the_unit(unit: Path, tmp_path: Path) -> None:
    done = analyze(tmp_path, unit, "verify", "--man=no", "--recursive-errors=no")
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, BACKUP], ids=lambda unit: unit.name)
def test_systemd_finds_the_service_well_protected(unit: Path, tmp_path: Path) -> None:
    done = analyze(
        tmp_path, unit, "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}"
    )
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


def test_the_backup_lies_where_the_registry_may_write_and_the_timer_starts_it(
    tmp_path: Path,
) -> None:
    words = service(BACKUP)["ExecStart"].split()
    state = f"/var/lib/{service()['StateDirectory']}"
    assert words[1:] == ["backup", f"{state}/backups/%i", "--keep", "14", "--port", "%i"]
    for key in ("User", "Group", "StateDirectory", "Environment"):
        assert service(BACKUP)[key] == service()[key]
    assert BACKUP.stem == TIMER.stem, "a timer starts the service of its name"
    if shutil.which("systemd-analyze") is not None:
        calendar = next(
            line for line in TIMER.read_text("utf-8").splitlines() if line.startswith("OnCalendar=")
        )
        when = calendar.partition("=")[2]
        assert (
            subprocess.run(
                ["systemd-analyze", "calendar", when], capture_output=True, check=False
            ).returncode
            == 0
        )
