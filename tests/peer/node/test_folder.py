"""A visitor's disk: tickets that survive, several visitors at once, and invalid files."""

import os
import stat
from pathlib import Path

import pytest

from chatapp.peer.api.form import StoredVisit
from chatapp.peer.api.visit_events import RegistryKeyUnreadable, TicketDamaged
from chatapp.peer.node.ticket import VisitFolder

SERVER, KEY, OTHER_KEY = "desk.local:5000", b"k" * 32, b"o" * 32
TICKET = StoredVisit(ticket=b"t" * 16, shown=7)


def test_a_ticket_survives_and_an_orderly_end_leaves_none(tmp_path: Path) -> None:
    first = VisitFolder(tmp_path, SERVER)
    assert (first.visit, first.registry) == (StoredVisit(), None)
    first.save(StoredVisit())  # who leaves before the first contact
    first.pin(KEY)
    first.save(TICKET)
    first.close()
    second = VisitFolder(tmp_path, SERVER)
    assert (second.visit, second.registry) == (TICKET, KEY)
    second.save(StoredVisit())
    second.close()
    third = VisitFolder(tmp_path, SERVER)
    assert third.visit == StoredVisit()
    third.close()


def known(home: Path, server: str = SERVER, registry: bytes = KEY) -> VisitFolder:
    """A folder after the first contact."""
    folder = VisitFolder(home, server)
    if folder.registry != registry:
        folder.pin(registry)
    return folder


def test_a_registry_has_one_folder_under_all_its_servers_and_another_one_its_own(
    tmp_path: Path,
) -> None:
    here, there = known(tmp_path), known(tmp_path, "192.0.2.9:5000", OTHER_KEY)
    here.save(TICKET)
    here.close()
    assert (there.visit, there.folder) != (TICKET, here.folder)
    moved = VisitFolder(tmp_path, "192.0.2.7:5000")
    assert (moved.visit, moved.registry) == (StoredVisit(), None)
    moved.pin(KEY)
    assert (moved.visit, moved.folder) == (TICKET, here.folder)
    for one in (there, moved):
        one.close()


def test_a_server_that_leads_elsewhere_now_has_the_visits_of_that_registry(tmp_path: Path) -> None:
    folder = known(tmp_path)
    folder.save(TICKET)
    folder.pin(OTHER_KEY)
    assert folder.visit == StoredVisit()
    folder.close()
    again = VisitFolder(tmp_path, SERVER)
    assert (again.registry, again.visit) == (OTHER_KEY, StoredVisit())
    again.close()
    back = known(tmp_path)
    assert back.visit == TICKET
    back.close()


def test_visitors_side_by_side_have_a_visit_each_and_whoever_starts_takes_up_one_that_was_cut_off(
    tmp_path: Path,
) -> None:
    one, two, three = (known(tmp_path) for _ in range(3))
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
        folder = known(tmp_path)
        folder.save(TICKET)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700
    below = [one for one in (tmp_path / "visits").rglob("*") if one.is_file()]
    assert {one.suffix for one in below} == {".json", ".lock", ".key"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in below} == {0o600}
    folder.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"ticket": 7}',
        b'{"ticket": "dGlj", "shown": 0}',
        b'{"ticket": "dHR0dHR0dHR0dHR0dHR0dA==", "shown": -1}',
        b"\xff" * 100,
        b"null",
        b'{"x":' + b"[" * 9_999,
    ],
)
def test_a_file_that_says_nothing_costs_the_position_and_no_more(
    tmp_path: Path, content: bytes
) -> None:
    folder = known(tmp_path)
    folder.save(TICKET)
    folder.close()
    (folder.folder / "visit-0.json").write_bytes(content)
    again = VisitFolder(tmp_path, SERVER)
    assert (again.visit, again.registry) == (StoredVisit(), KEY)
    (ticket,) = again.damage
    file = again.folder / "visit-0.json"
    assert ticket == TicketDamaged(path=str(file), kept_as="visit-0.damaged")
    assert (again.folder / "visit-0.damaged").read_bytes() == content
    again.close()
    (file,) = (tmp_path / "visits" / "servers").iterdir()
    file.write_bytes(content)
    anew = VisitFolder(tmp_path, SERVER)
    assert (anew.visit, anew.registry) == (StoredVisit(), None)
    assert anew.damage == [RegistryKeyUnreadable(path=str(file))]
    anew.close()


def test_several_servers_of_a_registry_share_its_key_and_its_visits(tmp_path: Path) -> None:
    both = ("192.0.2.8:5001", SERVER)
    first = known(tmp_path)
    first.save(TICKET)
    first.close()
    together = VisitFolder(tmp_path, *both)
    assert (together.registry, together.visit) == (KEY, TICKET)
    together.close()
    alone = VisitFolder(tmp_path, both[0])
    assert (alone.registry, alone.visit) == (KEY, TICKET), "it was named together with the other"
    alone.close()


def test_a_server_that_is_known_to_lead_elsewhere_keeps_its_key(tmp_path: Path) -> None:
    for server, key in ((SERVER, KEY), ("192.0.2.9:5000", OTHER_KEY)):
        known(tmp_path, server, key).close()
    together = VisitFolder(tmp_path, SERVER, "192.0.2.9:5000")
    assert together.registry == KEY
    together.close()
    elsewhere = VisitFolder(tmp_path, "192.0.2.9:5000")
    assert elsewhere.registry == OTHER_KEY
    elsewhere.close()
