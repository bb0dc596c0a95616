"""From one wheel to another and back, as docs/howto/upgrade.md says: names and mail stay, and people
come back."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cast.lines import BACK, LOST
from tests.cast.program import Program
from tests.cast.stage import Stage, playing
from tests.cast.wheel import Built, unpacked

OLD, NEW = "0.1.0", "0.1.1"
PYTHON = (sys.executable, "-m", "chatapp")


@pytest.fixture(scope="module")
def sites(packages: Built, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the wheels of two versions install, which differ by their version alone."""
    folder = tmp_path_factory.mktemp("versions")
    sites = {version: unpacked(packages.wheel, folder / version) for version in (OLD, NEW)}
    for version, site in sites.items():
        (metadata,) = site.glob("*.dist-info/METADATA")
        text = metadata.read_text("utf-8")
        metadata.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", text), "utf-8")
    return sites


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with playing(tmp_path) as stage:
        yield stage


async def serve(stage: Stage, site: Path) -> Program:
    return await stage.registry(environment={"PYTHONPATH": str(site)}, command=PYTHON)


async def operate(stage: Stage, site: Path, *words: str) -> list[str]:
    program = await stage.run(
        "administrator", [*PYTHON, *words], home="registry", environment={"PYTHONPATH": str(site)}
    )
    assert await program.ends() == 0, str(program)
    return program.shown()


async def test_a_newer_wheel_goes_on_where_the_older_one_stopped_and_back_again(
    stage: Stage, sites: dict[str, Path], tmp_path: Path
) -> None:
    for version, site in sites.items():
        assert version in (await operate(stage, site, "--version"))[0]
    registry = await serve(stage, sites[OLD])
    alice, carol = await stage.welcome("alice", "carol")
    await carol.quits()
    await alice.type("send carol by the older version")
    await alice.sees("[Messages received by the server and saved]")
    await registry.stops()
    await alice.sees(LOST)
    backup = str(tmp_path / "before")
    await operate(stage, sites[OLD], "backup", backup)
    assert (await operate(stage, sites[NEW], "verify", backup))[0].endswith("all sound")
    registry = await serve(stage, sites[NEW])
    await alice.sees(BACK)
    carol = await stage.peer("carol")
    await carol.sees(re.compile(r"alice: .* by the older version"))
    await alice.knows("carol")
    await alice.type("send carol by the newer version")
    await carol.sees("alice: by the newer version")
    await registry.stops()
    await operate(stage, sites[OLD], "restore", backup, "--replace")
    await serve(stage, sites[OLD])
    await alice.sees(BACK)
    await alice.type("send carol by the older version again")
    await carol.sees("alice: by the older version again")
    assert len(carol.shown(lambda line: line.endswith("by the older version"))) == 1
