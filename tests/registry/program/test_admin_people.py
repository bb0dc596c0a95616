"""What the administrator does about people: bans with a reason and an end, rooms, mail, and erasing
all that is kept."""

from pathlib import Path
from typing import cast

import pytest

from chatapp.registry.program.admin.texts import lines_of, refusal_text
from chatapp.registry.rules import admin_requests as admin
from chatapp.registry.rules.effects import LinkEndReason
from chatapp.registry.store.files import FileStore
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.mail import DepositMail, MailExpired
from chatapp.wire.messages.registration import RefusalReason, Refused, Rename, Welcome
from chatapp.wire.messages.rooms import (
    CHANNEL,
    EnterRooms,
    RoomEntered,
    RoomEvicted,
    SetTopic,
    TopicChanged,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import WALL, Rig
from tests.registry.rules.group_requests import entered, page
from tests.support.memory_store import MemoryStore


def asked(rig: Rig, request: admin.CoreRequest) -> admin.AdminAnswer:
    rig.core.run_admin_request(request, "ticket", now=rig.now)
    rig.turn()
    ((_, answer),) = rig.core.take_admin_answers()
    return answer


def refused(rig: Rig, request: admin.CoreRequest) -> str:
    answer = asked(rig, request)
    assert isinstance(answer, admin.AdminRefused)
    return refusal_text(answer)


def turned_away(peer: LinkedPeer) -> Refused:
    peer.renew()
    answer = peer.register()
    assert isinstance(answer, Refused)
    return answer


def letter(number: int, to: LinkedPeer) -> DepositMail:
    return DepositMail(recipient=to.id, number=number, letter=b"x" * 200, reference=number)


# --- bans and kicks


@pytest.mark.parametrize("what", ["bob", "key", "10.0.0.0/8"])
def test_the_banned_are_told_for_how_long_and_why(rig: Rig, what: str) -> None:
    """Clause 4.5."""
    bob = rig.member("bob")
    ban = admin.AddBan(fingerprint(bob.id) if what == "key" else what, 7_200, "spam", "root")
    assert asked(rig, ban) == admin.Done()
    assert rig.closed.get(bob.link or 0) is LinkEndReason.BANNED
    rig.advance(600.0)
    told = turned_away(bob)
    assert (told.reason, told.text) == (RefusalReason.BANNED, "spam")
    assert 6_500 < told.seconds <= 6_600
    rig.restart()
    told = turned_away(bob)
    assert (told.text, 6_500 < told.seconds < 6_600) == ("spam", True)
    listed = asked(rig, admin.ListBans())
    assert isinstance(listed, admin.BansListed)
    since = int(WALL)
    assert listed.bans == [admin.BanShown(ban.what, "spam", "root", since, since + 7_200)]
    rig.advance(6_700.0)
    bob.renew()
    assert isinstance(bob.register(), Welcome)
    assert asked(rig, admin.ListBans()) == admin.BansListed([])


def test_a_ban_that_ended_while_the_registry_was_off_holds_no_more(rig: Rig) -> None:
    bob = rig.member("bob")
    asked(rig, admin.AddBan("bob", 60))
    rig.restart(downtime=120.0)
    rig.advance(1.0)
    bob.renew()
    assert isinstance(bob.register(), Welcome)
    assert asked(rig, admin.AddBan("BOB", 60)) == admin.Done()
    rig.restart()
    assert turned_away(bob).reason is RefusalReason.BANNED


def test_a_ban_for_good_has_no_end(rig: Rig) -> None:
    bob = rig.member("bob")
    asked(rig, admin.AddBan("bob"))
    told = turned_away(bob)
    assert (told.seconds, told.text) == (0, "")


def test_the_kicked_are_told_when_they_may_come_back(rig: Rig) -> None:
    bob = rig.member("bob")
    asked(rig, admin.KickPerson("bob", 60))
    rig.advance(20.0)
    told = turned_away(bob)
    assert told.reason is RefusalReason.KICKED
    assert 39 <= told.seconds <= 41
    rig.advance(float(told.seconds))
    bob.renew()
    assert isinstance(bob.register(), Welcome)


# --- one person


def test_all_that_is_known_of_somebody_is_shown(rig: Rig) -> None:
    bob, alice = rig.member("bob"), rig.member("alice")
    bob.counter += 1
    bob.ask(Rename(5, bob.make_card(name="rob")))
    bob.leave()
    alice.ask(letter(1, bob))
    asked(rig, admin.AddBan("rob", 60, "spam", "root"))
    found = asked(rig, admin.ShowPerson("ROB"))
    assert isinstance(found, admin.PersonFound)
    assert (found.person.name, found.person.key, found.reserved) == (
        "rob",
        fingerprint(bob.id),
        ["bob"],
    )
    assert (found.letters, found.size, found.is_operator, found.kicked_for) == (1, 200, False, 0)
    assert [(one.what, one.reason) for one in found.bans] == [("rob", "spam")]
    assert any("former names" in line and "bob" in line for line in lines_of(found))
    assert "nobody has the name" in refused(rig, admin.ShowPerson("eve"))


def test_purged_mail_is_gone_and_its_senders_are_told(rig: Rig) -> None:
    alice, bob = rig.member("alice"), rig.member("bob")
    bob.leave()
    for number in (1, 2):
        alice.ask(letter(number, bob))
    assert asked(rig, admin.PurgeMail("bob")) == admin.Done(count=2)
    assert [type(one) for one in alice.notices()] == [MailExpired, MailExpired]
    assert not rig.store.load().letters
    assert asked(rig, admin.PurgeMail("bob")) == admin.Done()


# --- rooms


def test_a_closed_room_is_gone_and_its_members_are_told(rig: Rig) -> None:
    alice, bob = rig.member("alice"), rig.member("bob")
    group = entered(alice, "lab").group
    entered(bob, "lab")
    alice.say("to be forgotten")
    assert asked(rig, admin.CloseRoom("LAB")) == admin.Done(count=2)
    for member in (alice, bob):
        assert RoomEvicted(group, is_closed=True) in member.notices()
    loaded = rig.store.load()
    assert (group in loaded.groups, loaded.members) == (False, [])
    assert entered(bob, "lab").members == []
    assert "there is no room" in refused(rig, admin.CloseRoom("other"))


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "kicked"])
def test_who_was_away_is_told_on_return_and_comes_in_only_if_they_ask(
    rig: Rig, *, is_closed: bool
) -> None:
    """Clause 10.3."""
    alice, bob = rig.member("alice"), rig.member("bob")
    group = entered(alice, "lab").group
    entered(bob, "lab")
    bob.drop_link()
    asked(rig, admin.CloseRoom("lab") if is_closed else admin.KickFromRoom("lab", "bob"))
    bob.attach()
    evicted = RoomEvicted(group, is_closed)
    assert evicted not in bob.notices()
    assert bob.ask(EnterRooms(1, ["lab"], is_return=True)) == [evicted]
    rig.restart()  # the answer was lost with the link
    bob.renew()
    bob.register()
    bob.attach()
    assert bob.ask(EnterRooms(1, ["LAB"], is_return=True)) == [evicted]
    entered(bob, "lab")
    bob.drop_link()
    bob.attach()
    assert isinstance(bob.ask(EnterRooms(2, ["lab"], is_return=True))[0], RoomEntered)


def test_who_is_kicked_out_of_a_room_is_told_and_the_others_too(rig: Rig) -> None:
    alice, bob = rig.member("alice"), rig.member("bob")
    group = entered(alice, "lab").group
    entered(bob, "lab")
    assert asked(rig, admin.KickFromRoom("lab", "BOB")) == admin.Done(count=1)
    assert RoomEvicted(group, is_closed=False) in bob.notices()
    rig.advance(1.0)
    assert bob.id in alice.changes()
    assert "is not in that room" in refused(rig, admin.KickFromRoom("lab", "bob"))
    assert "nobody has the name" in refused(rig, admin.KickFromRoom("lab", "eve"))


def test_a_topic_that_the_administrator_sets_is_kept_and_told(rig: Rig) -> None:
    alice = rig.member("alice")
    group = entered(alice, "lab").group
    assert asked(rig, admin.SetRoomTopic("lab", "be kind")) == admin.Done()
    (told,) = [one for one in alice.notices() if isinstance(one, TopicChanged)]
    assert (told.group, told.topic.text, told.topic.author) == (
        group,
        "be kind",
        rig.identity.public,
    )
    rig.restart()
    bob = rig.member("bob")
    assert entered(bob, "lab").topic.text == "be kind"


# --- erasing


def raw(folder: Path) -> bytes:
    """Return the names and the bytes of all files."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(str(path).encode() + path.read_bytes() for path in paths)


def test_nothing_of_somebody_who_was_erased_is_in_any_file(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    rig = Rig(cast("MemoryStore", store))
    mallory, alice = rig.member("mallory"), rig.member("alice")
    group = entered(mallory, "lab").group
    entered(alice, "lab")
    mallory.ask(SetTopic(4, group, "the topic of mallory"))
    alice.say("alice says")
    for text in ("in the room", "and again"):
        mallory.say(text)
    rig.turn()
    store.checkpoint()
    mallory.counter += 1
    mallory.ask(Rename(5, mallory.make_card(name="malory")))
    alice.leave()
    mallory.ask(letter(1, alice))
    mallory.leave()
    alice.renew()
    alice.register()
    alice.attach()
    alice.ask(letter(1, mallory))
    before = raw(tmp_path)
    theirs = (b"mallory", b"malory", mallory.id, mallory.id.hex().encode())
    assert all(one in before for one in theirs[:3])
    erased = asked(rig, admin.ErasePerson("malory"))
    assert isinstance(erased, admin.PersonErased)
    assert (erased.letters, erased.lines, erased.bans) == (2, 2, [])
    store.checkpoint()
    after = raw(tmp_path)
    assert not [one for one in theirs if one in after]
    assert alice.id in after
    store.close()
    kept = FileStore(tmp_path)
    loaded = kept.load()
    assert [len(one.lines) for name, one in loaded.groups.items() if name != CHANNEL] == [1]
    assert not loaded.damage
    kept.close()


def test_who_was_erased_is_a_newcomer_and_what_others_said_is_still_there(rig: Rig) -> None:
    alice, bob = rig.member("alice"), rig.member("bob")
    group = entered(alice, "lab").group
    entered(bob, "lab")
    bob.say("bob first")
    alice.say("alice here")
    bob.say("bob last")
    assert "only while they are away" in refused(rig, admin.ErasePerson("bob"))
    bob.leave()
    assert isinstance(asked(rig, admin.ErasePerson("bob")), admin.PersonErased)
    assert [len(page(alice, group).lines), rig.store.load().groups[group].lines[0].sender] == [
        0,
        alice.id,
    ]
    rig.restart()
    bob.renew()
    assert isinstance(bob.register(), Welcome)
    alice.renew()
    alice.register()
    alice.attach()
    entered(alice, "lab")
    alice.say("goes on")
    assert len(rig.store.load().groups[group].lines) == 2


def test_a_ban_that_names_the_erased_stays_and_is_named(rig: Rig) -> None:
    bob = rig.member("bob")
    bob.leave()
    asked(rig, admin.AddBan("bob"))
    erased = asked(rig, admin.ErasePerson("bob"))
    assert isinstance(erased, admin.PersonErased)
    assert erased.bans == ["bob"]
    assert 'still named by a ban: ChatApp admin unban "bob"' in lines_of(erased)
