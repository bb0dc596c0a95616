"""The disks of a cluster's servers fill up: each node names the server and its cure, and the registry
goes on as soon as two servers have room and were started again."""

import asyncio
import json
import re
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.cast.stage import Stage
from tests.faults.cluster import JOURNAL, FaultyCluster
from tests.faults.conftest import Note, disk_or_skip
from tests.faults.size import bar, only_whole

pytestmark = only_whole

SIZE: Final = "32m"
NAMED_WITHIN: Final = bar(15.0)
LED_AGAIN: Final = f"[The stream {JOURNAL} has a leader again.]"
_BLOCK: Final = 4_096


def fill(disk: Path) -> Path:
    """Fill a disk, and return the file that fills it."""
    path = disk / "fill"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(_BLOCK)):
                pass
        except OSError:
            return path
    raise AssertionError("the disk has no end")


def not_well(server: str) -> re.Pattern[str]:
    """The line that names a server whose disk is full, and its cure."""
    return re.compile(
        rf"\[The server {server} of the cluster (has switched JetStream off|has no current copy).*"
        r"make room there and start it again\.\]"
    )


@pytest.mark.parametrize("count", [1, 2])
async def test_servers_whose_disks_are_full_are_named_with_their_cure(
    outspoken_stage: Stage, figure: Note, count: int
) -> None:
    folder = outspoken_stage.folder / "nats"
    folder.mkdir()
    with ExitStack() as undo:
        disks = [
            undo.enter_context(disk_or_skip(folder / f"n{number}", SIZE))
            for number in range(1, count + 1)
        ]
        cluster = FaultyCluster(outspoken_stage)
        undo.callback(cluster.servers.kill)
        await cluster.start()
        full = cluster.servers.servers[:count]
        began = time.monotonic()
        filled = [await asyncio.to_thread(fill, disk) for disk in disks]
        for node in cluster.registries:
            for server in full:
                await node.sees(not_well(server.name), within=30)
        named_after = time.monotonic() - began
        stats = await outspoken_stage.output_of("stats", "--json", home="r1")
        figures = json.loads("".join(stats))["figures"]
        assert figures["cluster_servers_off"] + figures["cluster_copies_missing"] >= count
        if count == 2:
            for node in cluster.registries:
                await node.sees(re.compile(rf"\[No server leads the stream {JOURNAL}.*"), within=60)
        for path in filled:
            path.unlink()
        for server in full:
            server.kill()
        await asyncio.to_thread(cluster.servers.start)
        for node in cluster.registries:
            for server in full:
                await node.sees(
                    f"[The server {server.name} of the cluster is well again.]", within=60
                )
            if count == 2:
                await node.sees(LED_AGAIN, within=60)
        alice = await outspoken_stage.welcome("alice")
        assert alice
        figure(
            f"the disks of {count} of three NATS servers full",
            f"each node named server and cure after {named_after:.1f} s; served again once they were started again",
            "<= 15 s",
        )
        assert named_after <= NAMED_WITHIN
