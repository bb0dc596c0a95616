"""This file is about a visitor's disk: tickets that survive, visitors side by side, files that say nothing."""

import os
import stat
from pathlib import Path

import pytest

from peer.desk.keeping import VisitFolder
from peer.desk.ticket import StoredVisit
from wire.address import Address

SERVER = Address("127.0.0.1", 5_000)
TICKET = StoredVisit(ticket=b"t" * 16, heard=7)


def test_a_ticket_survives_and_an_orderly_end_leaves_none(tmp_path: Path) -> None:
    first = VisitFolder(tmp_path, SERVER)
    assert (first.visit, first.registry) == (StoredVisit(), None)
    first.save(TICKET)
    first.pin(b"k" * 32)
    first.close()
    second = VisitFolder(tmp_path, SERVER)
    assert (second.visit, second.registry) == (TICKET, b"k" * 32)
    second.save(StoredVisit())
    second.close()
    third = VisitFolder(tmp_path, SERVER)
    assert third.visit == StoredVisit()
    third.close()


def test_another_registry_has_another_folder(tmp_path: Path) -> None:
    here, there, six = (
        VisitFolder(tmp_path, one) for one in (SERVER, Address("127.0.0.1", 5_001), Address("::1", 5_000))
    )
    here.save(TICKET)
    assert len({here.folder, there.folder, six.folder}) == 3
    for one in (here, there, six):
        one.close()


def test_visitors_side_by_side_have_a_visit_each_and_whoever_starts_takes_up_one_that_was_cut_off(
    tmp_path: Path,
) -> None:
    one, two, three = (VisitFolder(tmp_path, SERVER) for _ in range(3))
    for number, folder in enumerate((one, two, three)):
        folder.save(StoredVisit(ticket=bytes([number]) * 16))
    one.save(StoredVisit())
    one.close()
    two.close()  # cut off: the ticket is still there
    back = VisitFolder(tmp_path, SERVER)
    assert back.visit.ticket == b"\x01" * 16
    new = VisitFolder(tmp_path, SERVER)
    assert new.visit == StoredVisit()
    for folder in (three, back, new):
        folder.close()


def test_everything_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = VisitFolder(tmp_path, SERVER)
        folder.save(TICKET)
        folder.pin(b"k" * 32)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700
    names = {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.folder.iterdir()}
    assert set(names) == {"visit-0.json", "visit-0.lock", "registry.key"}
    assert set(names.values()) == {0o600}
    folder.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"ticket": 7}',
        b'{"ticket": "dGlj", "heard": 0}',
        b'{"ticket": "dHR0dHR0dHR0dHR0dHR0dA==", "heard": -1}',
        b"\xff" * 100,
        b"null",
        b'{"x":' + b"[" * 9_999,
    ],
)
def test_a_file_that_says_nothing_costs_the_place_and_no_more(tmp_path: Path, content: bytes) -> None:
    folder = VisitFolder(tmp_path, SERVER)
    folder.save(TICKET)
    folder.close()
    (folder.folder / "visit-0.json").write_bytes(content)
    (folder.folder / "registry.key").write_bytes(content)
    again = VisitFolder(tmp_path, SERVER)
    assert (again.visit, again.registry) == (StoredVisit(), None)
    ticket, key = again.damage
    assert ticket.startswith(f"{again.folder / 'visit-0.json'} is damaged")
    assert key.startswith(f"{again.folder / 'registry.key'} holds no key")
    assert (again.folder / "visit-0.damaged").read_bytes() == content
    again.close()
