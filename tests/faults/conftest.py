"""What every test of the fault lab has: programs of its own, and a place for the figure that it
measured.

The figures of a run are printed behind it; docs/explanation/reliability.md has the bars.
"""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.cast.stage import Stage, playing
from tests.faults.cluster import FaultyCluster
from tests.faults.namespaces import Lab, lab_or_skip

_FIGURE = "figure"
Note = Callable[[str, str, str], None]


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The programs of one test. None of them may write to standard error, whatever is done to
    them."""
    async with playing(tmp_path) as stage:
        yield stage


@pytest.fixture
async def outspoken_stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Programs that may report errors: the test says which."""
    async with playing(tmp_path, may_complain=True) as stage:
        yield stage


@pytest.fixture
async def cluster(outspoken_stage: Stage) -> AsyncIterator[FaultyCluster]:
    """A cluster whose nodes may say that something was not stored, and nothing else. Visitors of
    its desk wait, because its operator never comes."""
    made = FaultyCluster(outspoken_stage, "--operator", "olga")
    try:
        await made.start()
        yield made
        assert made.complaints() == []
    finally:
        made.servers.kill()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A small network."""
    with lab_or_skip() as lab:
        yield lab


@contextlib.contextmanager
def disk_or_skip(folder: Path, size: str) -> Iterator[Path]:
    """Mount a disk of this size at a new folder, or skip the test with the reason."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "chatapp-faults", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs root to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Note:
    """Record a measurement: the fault, the figure, the bar."""

    def note(fault: str, measured: str, bar: str) -> None:
        record_property(_FIGURE, (fault, measured, bar))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, in the order in which they were measured."""
    rows = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == _FIGURE
    ]
    if rows and terminalreporter.verbosity >= 0:
        terminalreporter.section("figures")
        for fault, measured, bar in rows:
            terminalreporter.line(f"| {fault} | {measured} | {bar} |")
