"""Admin requests to the core: names, bans, what is shown, and what everybody is told."""

import pytest

from chatapp.registry.program.admin.texts import lines_of, refusal_text
from chatapp.registry.rules import admin_requests as admin
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.link import Announcement, AnnouncementKind, RegistryNotice
from chatapp.wire.messages.mail import DepositMail
from chatapp.wire.messages.registration import RefusalReason, Refused, Rename, Welcome
from chatapp.wire.messages.rooms import EnterRooms
from chatapp.wire.messages.table import FetchTable, Presence, TablePage
from tests.registry.linked_peer import LinkedPeer, rows_of
from tests.registry.rig import Rig


def asked(rig: Rig, request: admin.CoreRequest) -> admin.AdminAnswer:
    rig.core.run_admin_request(request, "ticket", now=rig.now)
    rig.turn()
    ((ticket, answer),) = rig.core.take_admin_answers()
    assert ticket == "ticket"
    return answer


def listed(rig: Rig) -> list[admin.NameShown]:
    answer = asked(rig, admin.ListNames())
    assert isinstance(answer, admin.NamesListed)
    return answer.names


def banned(rig: Rig) -> list[str]:
    answer = asked(rig, admin.ListBans())
    assert isinstance(answer, admin.BansListed)
    return [one.what for one in answer.bans]


def refused(rig: Rig, request: admin.CoreRequest) -> str:
    answer = asked(rig, request)
    assert isinstance(answer, admin.AdminRefused)
    return refusal_text(answer)


def arrivals(rig: Rig, name: str) -> list[RegistryNotice]:
    """Return the first notices on a newcomer's link."""
    peer = rig.peer(name)
    peer.register()
    return peer.attach()


def names_in(peer: LinkedPeer) -> list[tuple[str, bytes]]:
    (page,) = peer.ask(FetchTable(0))
    assert isinstance(page, TablePage)
    rows = rows_of(page.rows)  # type: ignore[arg-type]
    return [
        (row.card.name, row.card.identity) for row in rows if row.presence is not Presence.RELEASED
    ]


def gone(rig: Rig, name: str) -> LinkedPeer:
    """Return somebody who registered and left."""
    peer = rig.peer(name)
    assert isinstance(peer.register(), Welcome)
    peer.leave()
    return peer


def test_the_list_shows_the_key_and_presence_of_each_name(rig: Rig) -> None:
    bob, alice = gone(rig, "bob"), rig.member("alice")
    shown = listed(rig)
    assert [(one.name, one.key, one.state) for one in shown] == [
        ("alice", fingerprint(alice.id), "online"),
        ("bob", fingerprint(bob.id), "away"),
    ]
    assert all(abs(one.since - (rig.now + rig.wall_offset)) < 5 for one in shown)


def test_a_released_name_is_anybody_s_and_stays_so(rig: Rig) -> None:
    old, reader = gone(rig, "bob"), rig.member("alice")
    assert asked(rig, admin.ReleaseName("BOB")) == admin.Done()
    assert ("bob", old.id) not in names_in(reader)
    new = rig.peer("Bob")
    assert isinstance(new.register(), Welcome)
    rig.restart()
    reader.renew()
    reader.register()
    reader.attach()
    assert [one for one in names_in(reader) if one[0] == "Bob"] == [("Bob", new.id)]
    old.renew()
    refusal = old.register()
    assert isinstance(refusal, Refused)
    assert refusal.reason is RefusalReason.NAME_TAKEN


def test_the_former_bearer_may_come_back_as_a_newcomer(rig: Rig) -> None:
    bob = gone(rig, "bob")
    assert asked(rig, admin.ReleaseName("bob")) == admin.Done()
    rig.restart()
    bob.renew()
    assert isinstance(bob.register(), Welcome)


def test_a_name_that_is_reserved_can_be_released(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.counter += 1
    bob.ask(Rename(5, bob.make_card(name="rob")))
    assert [(one.name, one.state) for one in listed(rig)] == [
        ("bob", "reserved"),
        ("rob", "online"),
    ]
    assert asked(rig, admin.ReleaseName("bob")) == admin.Done()
    assert isinstance(rig.peer("bob").register(), Welcome)


@pytest.mark.parametrize(
    ("name", "why"),
    [("nobody", 'nobody has the name "nobody"'), ("a b", "a b"), ("alice", "online")],
)
def test_a_refusal_names_its_reason(rig: Rig, name: str, why: str) -> None:
    rig.member("alice")
    assert why in refused(rig, admin.ReleaseName(name))
    assert len(listed(rig)) == 1


def test_a_name_on_its_way_to_the_disk_is_not_released(rig: Rig) -> None:
    rig.auto_commit = False
    bob = rig.peer("bob")
    bob.register()
    assert "just being taken" in refused(rig, admin.ReleaseName("bob"))
    rig.commit()
    assert isinstance(bob.answer(), Welcome)


def test_nothing_is_answered_before_it_is_on_disk(rig: Rig) -> None:
    gone(rig, "bob")
    rig.auto_commit = False
    rig.core.run_admin_request(admin.ReleaseName("bob"), "ticket", now=rig.now)
    rig.turn()
    assert rig.core.take_admin_answers() == []
    rig.commit()
    assert rig.core.take_admin_answers() == [("ticket", admin.Done())]


def test_a_disk_that_accepts_no_writes_is_named(rig: Rig) -> None:
    gone(rig, "bob")
    rig.store.full = True
    assert "disk" in refused(rig, admin.ReleaseName("bob"))


def test_mail_for_a_released_bearer_is_refused(rig: Rig) -> None:
    bob, alice = gone(rig, "bob"), rig.member("alice")
    asked(rig, admin.ReleaseName("bob"))
    (answer,) = alice.ask(DepositMail(recipient=bob.id, number=1, letter=b"x" * 200, reference=3))
    assert type(answer).__name__ == "MailRefused"


# --- bans


def test_a_ban_disconnects_and_outlasts_a_restart_until_it_is_lifted(rig: Rig) -> None:
    rig.member("alice")
    bob = rig.member("bob")
    link = bob.link
    assert asked(rig, admin.AddBan("BOB")) == admin.Done()
    assert rig.closed.get(link or 0) is LinkEndReason.BANNED
    rig.restart()
    bob.renew()
    answer = bob.register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.BANNED
    assert banned(rig) == ["BOB"]
    assert "banned already" in refused(rig, admin.AddBan("bob"))
    assert asked(rig, admin.LiftBan("bob")) == admin.Done()
    rig.restart()
    assert banned(rig) == []
    bob.renew()
    assert isinstance(bob.register(), Welcome)


@pytest.mark.parametrize("what", ["a b", "10.0.0.0/99", "", "x" * 99])
def test_what_cannot_be_banned_is_named(rig: Rig, what: str) -> None:
    assert f'"{what[:60]}' in refused(rig, admin.AddBan(what))
    assert "is not a key" in refused(rig, admin.LiftBan(what))
    assert banned(rig) == []


def test_a_ban_of_a_key_a_network_or_an_address_excludes_it(rig: Rig) -> None:
    bob, carol = rig.member("bob"), rig.member("carol")
    assert asked(rig, admin.AddBan(fingerprint(bob.id))) == admin.Done()
    assert rig.closed.get(bob.link or 0) is LinkEndReason.BANNED
    assert carol.link not in rig.closed
    assert asked(rig, admin.AddBan(f"{carol.address.host}/16")) == admin.Done()
    assert rig.closed.get(carol.link or 0) is LinkEndReason.BANNED
    assert "not among the bans" in refused(rig, admin.LiftBan("192.0.2.77"))


# --- kicking


def test_who_is_kicked_stays_out_for_the_span(rig: Rig) -> None:
    bob = rig.member("bob")
    assert asked(rig, admin.KickPerson("bob", 60)) == admin.Done(count=1)
    assert rig.closed.get(bob.link or 0) is LinkEndReason.KICKED
    rig.advance(30.0)
    bob.renew()
    answer = bob.register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.KICKED
    assert [one.state for one in listed(rig)] == ["away"]
    rig.advance(31.0)
    bob.renew()
    assert isinstance(bob.register(), Welcome)


@pytest.mark.parametrize(
    ("name", "why"),
    [("nobody", "nobody has the name"), ("a b", "a b"), ("bob", '"bob" is not online')],
)
def test_a_kick_of_nobody_is_refused(rig: Rig, name: str, why: str) -> None:
    gone(rig, "bob")
    assert why in refused(rig, admin.KickPerson(name, 60))


# --- what everybody is told


def test_an_announcement_reaches_everybody(rig: Rig) -> None:
    alice, bob = rig.member("alice"), rig.member("bob")
    assert asked(rig, admin.Announce("tea at five")) == admin.Done()
    told = Announcement(AnnouncementKind.TEXT, "tea at five", 0)
    assert told in alice.notices()
    assert told in bob.notices()


def test_newcomers_are_told_of_a_planned_stop_until_it_is_cancelled(rig: Rig) -> None:
    alice = rig.member("alice")
    assert asked(rig, admin.TellStop(600, "moving the rack")) == admin.Done()
    assert Announcement(AnnouncementKind.STOP_PLANNED, "moving the rack", 600) in alice.notices()
    rig.advance(20.0)
    assert Announcement(AnnouncementKind.STOP_PLANNED, "moving the rack", 580) in arrivals(
        rig, "bob"
    )
    assert asked(rig, admin.TellStop(None)) == admin.Done()
    assert Announcement(AnnouncementKind.STOP_CANCELLED, "", 0) in alice.notices()
    assert not any(isinstance(one, Announcement) for one in arrivals(rig, "carol"))


# --- what is shown


def test_people_are_shown_with_their_room(rig: Rig) -> None:
    alice, _ = rig.member("alice"), gone(rig, "bob")
    alice.ask(EnterRooms(7, ["lab", "den"]))
    online, everybody = asked(rig, admin.ShowOnline()), asked(rig, admin.ShowTable())
    assert isinstance(online, admin.PeopleListed)
    assert isinstance(everybody, admin.PeopleListed)
    assert [(one.name, one.rooms, one.port) for one in online.people] == [
        ("alice", ["lab", "den"], alice.address.port)
    ]
    assert [(one.name, one.state) for one in everybody.people] == [
        ("alice", "online"),
        ("bob", "away"),
    ]
    rooms = asked(rig, admin.ShowRooms())
    assert isinstance(rooms, admin.RoomsFound)
    assert [(one.name, one.here, one.members) for one in rooms.rooms] == [
        ("den", 1, 1),
        ("lab", 1, 1),
    ]


def test_mailboxes_are_shown_by_how_much_waits(rig: Rig) -> None:
    alice, bob = rig.member("alice"), gone(rig, "bob")
    for number in (1, 2):
        alice.ask(DepositMail(recipient=bob.id, number=number, letter=b"x" * 200, reference=number))
    answer = asked(rig, admin.ShowMail())
    assert isinstance(answer, admin.MailFound)
    (box,) = answer.boxes
    assert (box.name, box.letters, box.size, answer.letters) == ("bob", 2, 400, 2)
    assert abs(box.oldest - (rig.now + rig.wall_offset)) < 5


def test_the_queues_of_the_desk_are_shown(rig: Rig) -> None:
    answer = asked(rig, admin.ShowQueue())
    assert isinstance(answer, admin.QueuesFound)
    assert [(one.queue, one.operators, one.visitors) for one in answer.queues] == [("desk", 0, [])]


def test_every_answer_and_refusal_has_lines(rig: Rig) -> None:
    for request in (
        admin.ListNames(),
        admin.ListBans(),
        admin.ShowOnline(),
        admin.ShowTable(),
        admin.ShowRooms(),
        admin.ShowMail(),
        admin.ShowQueue(),
    ):
        assert all("\n" not in line for line in lines_of(asked(rig, request)))
    for refusal in admin.AdminRefusal:
        (line,) = lines_of(
            admin.AdminRefused(refusal=refusal, subject="x\x1b", detail="y\x1b", room=3)
        )
        assert line
        assert "\x1b" not in line
