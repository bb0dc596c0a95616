"""From one wheel to another and back, as docs/howto/upgrade.md says: names and mail stay, and people
come back."""

import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cast.lines import BACK, LOST
from tests.cast.program import Program
from tests.cast.stage import Stage
from tests.cli.test_packaging import build, sources, unpacked  # noqa: F401

OLD, NEW = "0.1.0", "0.1.1"
PYTHON = (sys.executable, "-m", "chatapp")


@pytest.fixture(scope="module")
def sites(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:  # noqa: F811
    """What the wheels of two versions install."""
    folder, project = tmp_path_factory.mktemp("versions"), sources / "pyproject.toml"
    sites = {}
    for version in (OLD, NEW):
        text = project.read_text("utf-8")
        project.write_text(
            re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text, count=1), "utf-8"
        )
        sites[version] = unpacked(
            build("wheel", sources, folder / version), folder / f"site-{version}"
        )
    return sites


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    await stage.close()


async def serve(stage: Stage, site: Path) -> Program:
    return await stage.registry(environment={"PYTHONPATH": str(site)}, command=PYTHON)


async def operate(stage: Stage, site: Path, *words: str) -> list[str]:
    program = await stage.run(
        "administrator", [*PYTHON, *words], home="registry", environment={"PYTHONPATH": str(site)}
    )
    assert await program.ends() == 0, str(program)
    return program.shown()


async def stop(registry: Program) -> None:
    await registry.stops()


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
    await stop(registry)
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
    await stop(registry)
    await operate(stage, sites[OLD], "restore", backup, "--replace")
    await serve(stage, sites[OLD])
    await alice.sees(BACK)
    await alice.type("send carol by the older version again")
    await carol.sees("alice: by the older version again")
    assert len(carol.shown(lambda line: line.endswith("by the older version"))) == 1
