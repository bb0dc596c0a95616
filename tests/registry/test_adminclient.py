"""Admin requests from another process: through files in a folder while the registry runs, on its own files otherwise."""

import re
import stat
from pathlib import Path

import pytest

from chatapp.registry.adminclient import FOLDER, AdminRequestFailed, AdminSpool, ask, folders_in
from chatapp.registry.effects import AdminAnswer, ListNames, MakeInvites, NameShown, ReleaseName
from chatapp.registry.store.entries import NameBound
from chatapp.registry.store.files import FileStore
from chatapp.registry.texts import admin_refusal_text
from chatapp.wire.codec import encode
from chatapp.wire.identity import AgreementKey, Identity, make_card

TICKET = "0f" * 16
BOB = Identity(b"b" * 32)


def card_of(name: str) -> bytes:
    mail = AgreementKey(b"m" * 32).public
    return encode(make_card(BOB, name=name, mail=mail, counter=1))


def test_a_request_and_its_answer_go_through_once(tmp_path: Path) -> None:
    spool, other = AdminSpool(tmp_path), AdminSpool(tmp_path)
    spool.open()
    other.ask(TICKET, MakeInvites([b"k" * 32]))
    assert list(spool.asked()) == [(TICKET, MakeInvites([b"k" * 32]))]
    assert list(spool.asked()) == []
    assert other.answered(TICKET) is None
    answer = AdminAnswer(names=[NameShown("bob", BOB.public, "away", 7)])
    spool.answer(TICKET, answer)
    assert other.answered(TICKET) == answer
    assert other.answered(TICKET) is None
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    spool = AdminSpool(tmp_path)
    spool.ask(TICKET, ListNames())
    assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700
    (path,) = (tmp_path / FOLDER).iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_leftover_requests_are_dropped_at_a_start(tmp_path: Path) -> None:
    spool = AdminSpool(tmp_path)
    spool.ask(TICKET, ReleaseName("bob"))
    spool.open()
    assert list(spool.asked()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"type":"format"}', b"\xff" * 9, b"[" * 9_999, b'{"type":"names","x":' + b"[" * 9_999],
)
def test_invalid_requests_are_removed(tmp_path: Path, content: bytes) -> None:
    spool = AdminSpool(tmp_path)
    spool.open()
    (tmp_path / FOLDER / f"{TICKET}.ask").write_bytes(content)
    (tmp_path / FOLDER / "notes.txt").write_bytes(b"not ours")
    assert list(spool.asked()) == []
    assert [path.name for path in (tmp_path / FOLDER).iterdir()] == ["notes.txt"]


def test_without_a_registry_the_files_are_asked(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.load()
    store.append([NameBound("bob", BOB.public, card_of("bob"), 0, 5_000)])
    store.sync()
    store.close()
    assert ask(tmp_path, ListNames()).names == [NameShown("bob", BOB.public, "away", 5)]
    assert ask(tmp_path, MakeInvites([b"k" * 32])) == AdminAnswer()
    assert ask(tmp_path, ReleaseName("BOB")) == AdminAnswer()
    assert "nobody has" in admin_refusal_text(ask(tmp_path, ReleaseName("bob")))
    loaded = FileStore(tmp_path).load()
    assert (loaded.names, [one.code for one in loaded.invites]) == ([], [b"k" * 32])


def test_a_registry_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatapp.registry.adminclient.PATIENCE", 0.01)
    monkeypatch.setattr("chatapp.registry.adminclient._ASK_AGAIN_SPAN", 0.0)
    holder = FileStore(tmp_path)
    with pytest.raises(AdminRequestFailed, match="does not answer"):
        ask(tmp_path, ListNames())
    holder.close()
    assert list((tmp_path / FOLDER).iterdir()) == [], "nobody does it later"


def test_registries_are_found_by_their_ports(tmp_path: Path) -> None:
    assert folders_in(tmp_path) == []
    for name in ("5000", "600", "notes"):
        (tmp_path / "registry" / name).mkdir(parents=True)
    assert [folder.name for folder in folders_in(tmp_path)] == ["600", "5000"]


def test_a_folder_that_takes_no_request_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_bytes(b"")
    with pytest.raises(AdminRequestFailed, match=f"^{re.escape(str(tmp_path / FOLDER))}.*: Not a directory$"):
        ask(tmp_path, ListNames())
