"""`ChatApp check` beside real registries: one that serves, one of a cluster by TLS, and none."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cast.stage import Stage
from tests.support.certificates import Authority
from tests.support.nats_server import remove, single


async def check(stage: Stage, *options: str, status: int = 0) -> dict[str, bool | None]:
    """Return what was looked at, and whether it is well; None where that could not be found out."""
    lines = await stage.output_of(
        "check", "--json", "--port", str(stage.port), *options, status=status
    )
    checks = json.loads("".join(lines))["checks"]
    return {one["what"]: one["is_well"] for one in checks if one["what"] != "clock"}


WELL = {"UDP port": True, "TCP port": True, "folder": True, "disk": True}


async def test_a_registry_that_runs_and_one_that_does_not(stage: Stage) -> None:
    registry = await stage.registry()
    assert await check(stage) == WELL
    registry.signal(signal.SIGINT)
    await registry.ends()
    assert await check(stage) == WELL
    lines = await stage.output_of("check")
    assert lines[:2] == [
        f"well   UDP port: {stage.port} is free; no registry runs",
        f"well   TCP port: {stage.port} is free; no registry runs",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
async def test_a_registry_of_another_user_is_not_called_another_program(stage: Stage) -> None:
    await stage.registry()
    os.chown(stage.folder / "registry" / "registry" / str(stage.port), 12_345, -1)
    assert await check(stage) == {
        "registry": None,
        "UDP port": True,
        "TCP port": True,
        "folder": None,
        "disk": True,
    }


async def test_a_registry_of_a_cluster_by_tls(stage: Stage, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = single(tmp_path / "nats", extra=authority.tls())
    settings = tmp_path / "chatapp.toml"
    settings.write_text(
        f'[cluster]\ncluster = ["tls://127.0.0.1:{server.client_port}"]\ncluster_ca = "{authority.file}"\n'
    )
    try:
        registry = await stage.registry("--config", str(settings))
        await registry.sees("[This node keeps the state.]")
        assert await check(stage, "--config", str(settings)) == {
            **WELL,
            "NATS": True,
            "certificate": True,
        }
        registry.signal(signal.SIGINT)
        await registry.ends()
    finally:
        remove(server)
