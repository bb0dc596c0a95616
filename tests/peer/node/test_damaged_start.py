"""The start of a peer whose files were damaged: one line, which names the file, before anything
else."""

import asyncio
from pathlib import Path

import pytest

from chatapp.peer.api.events import HistoryMissing, StorageEvent
from chatapp.peer.faces.opening import NotOpened, open_peer
from chatapp.peer.node.keystore import KeyFolder
from chatapp.peer.sdk.client import Peer

NOBODY = ("127.0.0.1", 1_024)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Return the path of somebody's history, which does not exist."""
    keys = KeyFolder(tmp_path, "alice", wall=1_800_000_000.0)
    keys.close()
    keys.history.unlink()
    return keys.history


def test_a_history_that_is_none_is_left_and_it_is_said_what_to_do(history: Path) -> None:
    history.write_bytes(b"no history" * 100)
    with pytest.raises(NotOpened) as refused:
        asyncio.run(open_peer(Peer("alice", NOBODY, home=history.parents[2])))
    advice = "restore it from a copy, or move it away to begin a new one"
    assert refused.value.lines == [f"ChatApp: {history}: file is not a database; {advice}"]
    assert history.read_bytes() == b"no history" * 100


async def test_a_history_that_is_gone_is_told_first(history: Path) -> None:
    peer = Peer("alice", NOBODY, home=history.parents[2])
    await open_peer(peer)
    assert peer.take_events()[0] == HistoryMissing(path=str(history), found=0)
    await peer.close()


async def test_a_first_start_misses_nothing(tmp_path: Path) -> None:
    peer = Peer("bob", NOBODY, home=tmp_path)
    await open_peer(peer)
    assert not any(isinstance(event, StorageEvent) for event in peer.take_events())
    await peer.close()
