"""Access lists that change at run time: banned people have to go, whatever they still hold."""

import pytest

from chatapp.registry.rules.directory.directory import LINK_AWAITED_FOR
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.wire.address import Address
from chatapp.wire.identity import fingerprint
from chatapp.wire.messages.desk import PositionReported
from chatapp.wire.messages.mail import DepositMail, MailBatch, MailSaved
from chatapp.wire.messages.registration import RefusalReason, Refused, Rename
from chatapp.wire.messages.rooms import EnterRooms
from chatapp.wire.messages.table import Presence
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig, row_of
from tests.registry.rules.desk.help_desk import HelpDesk
from tests.registry.rules.people.test_access import refusal
from tests.registry.rules.rename_requests import card


def change(rig: Rig, **settings: object) -> int:
    """Put other lists in force; return how many people were disconnected."""
    count = rig.core.change_lists(AccessLists(AccessSettings(**settings)), now=rig.now)  # type: ignore[arg-type]
    rig.turn()
    return count


def presence(rig: Rig, peer: LinkedPeer) -> Presence:
    person = rig.core.engine.hub.directory.person(peer.id)
    assert person is not None
    return person.presence


@pytest.mark.parametrize("what", ["key", "name", "address", "network"])
def test_banned_people_lose_their_link_and_are_told_when_they_come_back(what: str) -> None:
    rig = Rig()
    bob, carol = rig.peer("bob", host="10.7.0.5"), rig.member("carol")
    bob.register()
    bob.attach()
    bob.ask(EnterRooms(0, ["lab"]))
    texts = {
        "key": fingerprint(bob.id),
        "name": "BOB",
        "address": "10.7.0.5",
        "network": "10.7.0.0/16",
    }
    assert change(rig, ban=(texts[what],)) == 1
    assert set(rig.closed) == {bob.link}
    assert presence(rig, bob) is Presence.LOST
    assert presence(rig, carol) is Presence.ONLINE
    assert refusal(bob) is RefusalReason.BANNED
    assert change(rig) == 0
    assert refusal(bob) is None


@pytest.mark.parametrize("is_new", [True, False], ids=["a first name", "another name"])
@pytest.mark.parametrize("what", ["key", "name", "address"])
def test_who_is_banned_while_their_name_is_being_stored_is_not_let_in(
    what: str, is_new: bool
) -> None:
    rig = Rig()
    bob = rig.peer("rob", host="10.7.0.5")
    if not is_new:
        bob.register()
    bob.name = "bob"
    bob.renew()
    rig.auto_commit = False
    rig.receive(bob.register_bytes(bob.hello()), bob.address)
    ban = {"key": fingerprint(bob.id), "name": "bob", "address": "10.7.0.5"}[what]
    change(rig, ban=(ban,))
    rig.commit()
    answer = bob.answer()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.BANNED
    rig.advance(LINK_AWAITED_FOR)
    person = rig.core.engine.hub.directory.person(bob.id)
    assert person is not None
    assert (person.card.name, person.online, person.is_banned) == ("bob", False, True)
    change(rig)
    rig.auto_commit = True
    assert refusal(bob) is None, "the name was stored, and is theirs when the ban ends"


def test_who_takes_a_name_that_is_banned_meanwhile_has_to_go() -> None:
    rig = Rig()
    bob = rig.member("bob")
    rig.auto_commit = False
    bob.send(Rename(1, card(bob, "robert")))
    assert change(rig, ban=("robert",)) == 0
    rig.commit()
    assert bob.link in rig.closed
    assert presence(rig, bob) is Presence.LOST


def test_people_online_by_signs_of_life_alone_have_to_go_too() -> None:
    rig = Rig()
    bob = rig.peer("bob")
    bob.register()
    assert change(rig, ban=("bob",)) == 1
    assert presence(rig, bob) is Presence.LOST


def test_the_previous_session_is_useless() -> None:
    rig = Rig()
    bob = rig.member("bob")
    change(rig, ban=("bob",))
    rig.take(bob.address)
    assert bob.ping() == []
    assert presence(rig, bob) is Presence.LOST
    bob.attach()
    assert bob.link in rig.closed
    assert presence(rig, bob) is Presence.LOST
    change(rig)
    assert bob.ping() != []
    assert presence(rig, bob) is Presence.ONLINE


def test_a_banned_visitor_loses_the_position() -> None:
    help_desk = HelpDesk()
    first, second = help_desk.joined(host="10.9.0.1"), help_desk.joined(host="10.9.0.2")
    assert second.last(PositionReported).position == 2
    assert change(help_desk.rig, ban=("10.9.0.1",)) == 1
    assert set(help_desk.rig.closed) == {first.peer.link}
    help_desk.advance(2.0)
    assert second.last(PositionReported).position == 1
    first.peer.attach()
    assert first.peer.link in help_desk.rig.closed


@pytest.mark.parametrize("what", ["key", "name", "address"])
def test_the_row_of_a_banned_person_says_so_over_restarts_until_the_ban_ends(
    what: str,
) -> None:
    rig = Rig(access=AccessSettings())
    bob, carol = rig.peer("bob", host="10.7.0.5"), rig.member("carol")
    bob.register()
    bob.attach()
    before = row_of(rig, bob).version
    ban = ({"key": fingerprint(bob.id), "name": "bob", "address": "10.7.0.5"}[what],)
    change(rig, ban=ban)
    assert row_of(rig, bob).presence is Presence.BANNED
    assert row_of(rig, bob).version > before
    assert row_of(rig, carol).presence is Presence.ONLINE
    rig.access = AccessSettings(ban=ban)
    rig.restart()
    # Nobody's address is known yet.
    assert row_of(rig, bob).presence is (Presence.AWAY if what == "address" else Presence.BANNED)
    change(rig)
    assert row_of(rig, bob).presence is Presence.AWAY
    bob.renew()
    bob.register()
    rig.advance(LINK_AWAITED_FOR)
    assert row_of(rig, bob).presence is Presence.ONLINE


def test_who_comes_from_another_address_than_the_one_that_is_kept_out_is_here_again() -> None:
    rig = Rig()
    bob = rig.peer("bob", host="10.7.0.5")
    bob.register()
    change(rig, ban=("10.7.0.5",))
    assert row_of(rig, bob).presence is Presence.BANNED
    bob.address = Address("10.8.0.1", 6_000)
    bob.renew()
    bob.register()
    rig.advance(LINK_AWAITED_FOR)
    assert row_of(rig, bob).presence is Presence.ONLINE


def test_the_same_lists_put_nobody_out_twice() -> None:
    rig = Rig()
    rig.member("bob")
    assert change(rig, ban=("bob",)) == 1
    assert change(rig, ban=("bob",)) == 0


def test_newcomers_come_in_by_the_list_that_holds_now() -> None:
    rig = Rig()
    bob, carol, dave = rig.peer("bob"), rig.peer("carol"), rig.peer("dave")
    change(rig, allow=(fingerprint(bob.id),))
    assert refusal(bob) is None
    assert refusal(carol) is RefusalReason.NOT_INVITED
    change(rig, allow=(fingerprint(carol.id),))
    assert refusal(carol) is None
    change(rig)
    assert refusal(dave) is RefusalReason.NOT_INVITED, "a list that was emptied opens nothing"
    assert refusal(bob) is None, "who has a name needs no place on a list"


def test_letters_that_were_saved_before_a_ban_are_delivered() -> None:
    rig = Rig()
    bob, carol = rig.member("bob"), rig.member("carol")
    carol.leave()
    assert bob.ask(DepositMail(reference=1, recipient=carol.id, number=1, letter=b"sealed")) == [
        MailSaved(1)
    ]
    change(rig, ban=("bob",))
    carol.register()
    batches = [notice for notice in carol.attach() if isinstance(notice, MailBatch)]
    assert [letter.letter for batch in batches for letter in batch.letters] == [b"sealed"]
