"""Admin requests: listing names, and releasing one."""

import pytest

from chatapp.registry.effects import AdminAnswer, AdminRequest, ListNames, ReleaseName
from chatapp.registry.texts import admin_refusal_text
from chatapp.wire.messages.mail import DepositMail
from chatapp.wire.messages.registration import RefusalReason, Refused, Rename, Welcome
from chatapp.wire.messages.table import FetchTable, Presence, TablePage
from tests.registry.linked_peer import LinkedPeer, rows_of
from tests.registry.rig import Rig


def asked(rig: Rig, request: AdminRequest) -> AdminAnswer:
    rig.core.run_admin_request(request, "ticket", now=rig.now)
    rig.turn()
    ((ticket, answer),) = rig.core.take_admin_answers()
    assert ticket == "ticket"
    return answer


def names_in(peer: LinkedPeer) -> list[tuple[str, bytes]]:
    (page,) = peer.ask(FetchTable(0))
    assert isinstance(page, TablePage)
    rows = rows_of(page.rows)  # type: ignore[arg-type]
    return [(row.card.name, row.card.identity) for row in rows if row.presence is not Presence.RELEASED]


def gone(rig: Rig, name: str) -> LinkedPeer:
    """Return somebody who registered and left."""
    peer = rig.peer(name)
    assert isinstance(peer.register(), Welcome)
    peer.leave()
    return peer


def test_the_list_shows_the_key_and_presence_of_each_name(rig: Rig) -> None:
    bob, alice = gone(rig, "bob"), rig.member("alice")
    shown = asked(rig, ListNames()).names
    assert [(one.name, one.identity, one.state) for one in shown] == [
        ("alice", alice.id, "online"),
        ("bob", bob.id, "away"),
    ]
    assert all(abs(one.since - (rig.now + rig.wall_offset)) < 5 for one in shown)


def test_a_released_name_is_anybody_s_and_stays_so(rig: Rig) -> None:
    old, reader = gone(rig, "bob"), rig.member("alice")
    assert asked(rig, ReleaseName("BOB")).refusal is None
    assert ("bob", old.id) not in names_in(reader)
    new = rig.peer("Bob")
    assert isinstance(new.register(), Welcome)
    rig.restart()
    reader.renew()
    reader.register()
    reader.attach()
    assert [one for one in names_in(reader) if one[0] == "Bob"] == [("Bob", new.id)]
    old.renew()
    refused = old.register()
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_TAKEN


def test_the_former_bearer_may_come_back_as_a_newcomer(rig: Rig) -> None:
    bob = gone(rig, "bob")
    assert asked(rig, ReleaseName("bob")).refusal is None
    rig.restart()
    bob.renew()
    assert isinstance(bob.register(), Welcome)


def test_a_name_that_is_reserved_can_be_released(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.counter += 1
    bob.ask(Rename(5, bob.make_card(name="rob")))
    assert [(one.name, one.state) for one in asked(rig, ListNames()).names] == [
        ("bob", "reserved"),
        ("rob", "online"),
    ]
    assert asked(rig, ReleaseName("bob")).refusal is None
    assert isinstance(rig.peer("bob").register(), Welcome)


@pytest.mark.parametrize(
    ("name", "why"),
    [("nobody", 'nobody has the name "nobody"'), ("a b", "a b"), ("alice", "online")],
)
def test_a_refusal_names_its_reason(rig: Rig, name: str, why: str) -> None:
    rig.member("alice")
    assert why in admin_refusal_text(asked(rig, ReleaseName(name)))
    assert len(asked(rig, ListNames()).names) == 1


def test_a_name_on_its_way_to_the_disk_is_not_released(rig: Rig) -> None:
    rig.auto_commit = False
    bob = rig.peer("bob")
    bob.register()
    assert "just being taken" in admin_refusal_text(asked(rig, ReleaseName("bob")))
    rig.commit()
    assert isinstance(bob.answer(), Welcome)


def test_nothing_is_answered_before_it_is_on_disk(rig: Rig) -> None:
    gone(rig, "bob")
    rig.auto_commit = False
    rig.core.run_admin_request(ReleaseName("bob"), "ticket", now=rig.now)
    rig.turn()
    assert rig.core.take_admin_answers() == []
    rig.commit()
    assert rig.core.take_admin_answers() == [("ticket", AdminAnswer())]


def test_a_disk_that_accepts_no_writes_is_named(rig: Rig) -> None:
    gone(rig, "bob")
    rig.store.full = True
    assert "disk" in admin_refusal_text(asked(rig, ReleaseName("bob")))


def test_mail_for_a_released_bearer_is_refused(rig: Rig) -> None:
    bob, alice = gone(rig, "bob"), rig.member("alice")
    asked(rig, ReleaseName("bob"))
    (answer,) = alice.ask(DepositMail(recipient=bob.id, number=1, letter=b"x" * 200, reference=3))
    assert type(answer).__name__ == "MailRefused"
