"""Which secrets are in no file: a thief of a disk has only those of its owner, and no key of a
session."""

from pathlib import Path

import pytest

from chatapp.peer.api.events import MessageState
from chatapp.peer.node.starts import IDENTITY_FILE
from chatapp.peer.sdk.client import Peer
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.wire.admission import JoinCode
from chatapp.wire.sessions import opening
from tests.peer.village import outcome_of
from tests.support.ports import free_port


def content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def is_in(folder: Path, secret: bytes) -> bool:
    """Whether a file of the folder has these bytes, or their hexadecimal digits."""
    kept = content(folder)
    return secret in kept or secret.hex().encode() in kept


@pytest.fixture
def agreed(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Every key that a handshake between two programs brings."""
    keys: set[bytes] = set()
    derive = opening.hkdf

    def noted(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
        made = derive(chaining_key, material)
        keys.update(made)
        return made

    monkeypatch.setattr(opening, "hkdf", noted)
    return keys


async def test_no_disk_has_a_key_of_a_session_and_the_registrys_has_no_secret_of_a_person(
    tmp_path: Path, agreed: set[bytes]
) -> None:
    lines: list[str] = []
    port, house, home = free_port(), tmp_path / "registry", tmp_path / "home"
    registry = Registry(
        port, house, say=lines.append, rules=RuleSettings(access=AccessSettings(invite_only=True))
    )
    await registry.start()
    ours, theirs = [
        line.split()[2].rstrip(":") for line in lines if line.startswith("[Join code ")
    ][:2]
    made = JoinCode(ours)
    server = ("127.0.0.1", port)
    async with (
        Peer("alice", server, home=home, code=ours) as alice,
        Peer("bob", server, home=home, code=theirs) as bob,
    ):
        assert await outcome_of(await alice.send(bob.name, "hi")) is MessageState.DELIVERED
        stolen = (alice.folder / IDENTITY_FILE).read_bytes()
        for folder in (house, home):
            assert not [key for key in agreed if is_in(folder, key)]
    assert len(agreed) > 2
    assert is_in(home, stolen), "what is there is found"
    assert not is_in(house, stolen)
    assert not is_in(house, made._key.seed)
    assert made.text.encode() not in content(house)
    await registry.stop()
    for folder in (house, home):
        assert not [key for key in agreed if is_in(folder, key)]
