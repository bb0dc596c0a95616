"""Data of a registry is stored under its identity; a server as typed only leads to one."""

from pathlib import Path

import pytest

from chatapp.peer.core.records import (
    CursorMoved,
    FormerName,
    IncomingAdded,
    Loaded,
    NameBlocked,
    OutgoingAdded,
    Record,
    RegistryPinned,
    RegistryVerified,
    RoomKept,
    RowsSaved,
    ServersNamed,
)
from chatapp.peer.history.database import History
from chatapp.peer.history.opening import first_known_server
from chatapp.wire.address import Address
from tests.peer.core.cast import Someone

BOB, CAROL, IMPOSTOR = Someone("bob"), Someone("carol"), Someone("impostor")
FIRST, SECOND = b"1" * 32, b"2" * 32
CHANNEL = b"#"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


def visit(path: Path, server: str, *records: Record) -> Loaded:
    """One start of a program at a server: what it finds after these records were stored."""
    history = History(path, server=server)
    try:
        history.apply(records)
        return history.load()
    finally:
        history.close()


def test_one_registry_under_two_servers_has_one_memory(path: Path) -> None:
    before = visit(
        path,
        "chat.local:5000",
        RegistryPinned(FIRST),
        RowsSaved((BOB.row(3),), 3, 1.0),
        NameBlocked("bob", IMPOSTOR.row(4, name="bob")),
        FormerName(CAROL.id, "caro"),
        CursorMoved(7),
        OutgoingAdded(CHANNEL, 5, 1_000, "to all"),
        RoomKept("#lab", ()),
    )
    assert (before.rows, before.version) == ((BOB.row(3),), 3)
    assert visit(path, "192.0.2.7:5000").registry is None
    assert visit(path, "192.0.2.7:5000", RegistryPinned(FIRST)) == before
    history = History(path, server="192.0.2.7:5000")
    assert history.registries.other_servers() == ["chat.local:5000"]
    history.close()


def test_two_registries_have_nothing_in_common_but_what_is_between_two_keys(path: Path) -> None:
    visit(
        path,
        "here:5000",
        RegistryPinned(FIRST),
        RowsSaved((BOB.row(3),), 3, 1.0),
        CursorMoved(7),
        OutgoingAdded(CHANNEL, 5, 1_000, "to all"),
        IncomingAdded(CHANNEL + BOB.id, 6, 1_000, "from bob to all", False),
        OutgoingAdded(BOB.id, 5, 1_000, "to bob"),
    )
    there = visit(path, "there:5000", RegistryPinned(SECOND))
    assert (there.registry, there.rows, there.version, there.groups) == (SECOND, (), 0, {})
    assert set(there.streams) == {BOB.id}


def test_a_server_that_leads_to_another_known_registry_is_noticed(path: Path) -> None:
    visit(path, "here:5000", RegistryPinned(FIRST))
    visit(path, "there:5000", RegistryPinned(SECOND))
    history = History(path, server="here:5000")
    assert history.registries.is_change(SECOND)
    assert not history.registries.is_change(FIRST)
    assert history.registries.is_change(b"3" * 32)
    history.close()
    unknown = History(path, server="anywhere:5000")
    assert unknown.registries.is_change(SECOND)
    assert not unknown.registries.is_change(b"3" * 32)
    unknown.close()


def test_lines_that_were_said_before_the_first_contact_go_to_the_registry_that_is_met(
    path: Path,
) -> None:
    visit(path, "here:5000", RegistryPinned(FIRST), OutgoingAdded(CHANNEL, 5, 1_000, "first"))
    visit(path, "there:5000", OutgoingAdded(CHANNEL, 9, 2_000, "second"))
    met = visit(path, "there:5000", RegistryPinned(FIRST))
    assert [one.text for one in met.streams[CHANNEL].outgoing] == ["first", "second"]
    history = History(path, server="there:5000")
    assert history._db.execute("SELECT count(*) FROM registries").fetchone() == (1,)
    assert [line.text for line in history.lines.latest(9)] == ["first", "second"]
    history.close()


def test_an_accepted_new_key_of_a_registry_keeps_the_pins_and_fetches_all_else_again(
    path: Path,
) -> None:
    visit(
        path,
        "here:5000",
        RegistryPinned(FIRST),
        RegistryVerified(),
        RowsSaved((BOB.row(3),), 3, 1.0),
        NameBlocked("bob", IMPOSTOR.row(4, name="bob")),
        CursorMoved(7),
        OutgoingAdded(CHANNEL, 5, 1_000, "to all"),
    )
    after = visit(path, "here:5000", RegistryPinned(SECOND))
    assert (after.registry, after.is_registry_verified) == (SECOND, False)
    assert (after.version, after.groups) == (0, {})
    assert [(row.card, row.version) for row in after.rows] == [(BOB.row(3).card, 0)]
    assert [(row.card, row.version) for row in after.blocked] == [
        (IMPOSTOR.row(4, name="bob").card, 0)
    ]
    assert [one.text for one in after.streams[CHANNEL].outgoing] == ["to all"]


def test_a_key_of_another_known_registry_that_the_user_accepts_leads_there(path: Path) -> None:
    visit(path, "here:5000", RegistryPinned(FIRST), RowsSaved((BOB.row(3),), 3, 1.0))
    visit(path, "there:5000", RegistryPinned(SECOND), RowsSaved((CAROL.row(4),), 4, 1.0))
    assert visit(path, "here:5000", RegistryPinned(SECOND)).rows == (CAROL.row(4),)
    assert visit(path, "there:5000").rows == (CAROL.row(4),)


def test_what_the_user_has_compared_is_kept(path: Path) -> None:
    assert not visit(path, "here:5000", RegistryPinned(FIRST)).is_registry_verified
    assert visit(path, "here:5000", RegistryVerified()).is_registry_verified
    assert visit(path, "here:5000").is_registry_verified
    assert visit(path, "there:5000", RegistryPinned(SECOND, is_verified=True)).is_registry_verified


def test_a_transaction_that_fails_leaves_the_server_where_it_led(path: Path) -> None:
    visit(path, "there:5000", RegistryPinned(SECOND), RowsSaved((CAROL.row(4),), 4, 1.0))
    history = History(path, server="here:5000")
    history.apply([RegistryPinned(FIRST), OutgoingAdded(BOB.id, 5, 1_000, "hi")])
    with pytest.raises(Exception, match="UNIQUE"):
        history.apply(
            [RegistryPinned(SECOND), OutgoingAdded(BOB.id, 5, 1_000, "a number given twice")]
        )
    assert history.load().registry == FIRST
    history.close()


def test_the_servers_that_a_registry_names_are_kept_for_it_alone(path: Path) -> None:
    named = (Address("192.0.2.8", 5_001), Address("standby.example", 5_000))
    assert visit(path, "a:5000", RegistryPinned(FIRST), ServersNamed(named)).servers == named
    assert visit(path, "b:5000", RegistryPinned(SECOND)).servers == ()
    assert visit(path, "a:5000", ServersNamed(named[:1])).servers == named[:1]
    assert visit(path, "c:5000", RegistryPinned(FIRST)).servers == named[:1]


def test_servers_that_are_named_together_lead_to_one_registry_unless_they_are_known_to_lead_elsewhere(
    path: Path,
) -> None:
    visit(path, "a:5000", RegistryPinned(FIRST))
    visit(path, "b:5000", RegistryPinned(SECOND))
    together = ["new:5000", "a:5000", "b:5000"]
    assert first_known_server(path, together) == "a:5000"
    history = History(path, server="a:5000")
    history.registries.lead_here(together)
    history.close()
    assert visit(path, "new:5000").registry == FIRST
    assert visit(path, "b:5000").registry == SECOND


def test_of_servers_the_first_known_one_counts_or_without_one_the_first(path: Path) -> None:
    assert first_known_server(path, ["x:5000", "y:5000"]) == "x:5000"
    visit(path, "a:5000", RegistryPinned(FIRST))
    assert first_known_server(path, ["x:5000", "y:5000"]) == "x:5000"
    assert first_known_server(path, ["x:5000", "a:5000"]) == "a:5000"
    path.write_bytes(b"no database")
    assert first_known_server(path, ["x:5000", "a:5000"]) == "x:5000"
