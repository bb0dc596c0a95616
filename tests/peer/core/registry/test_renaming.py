"""Changing our own name, and name changes of others."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.core.contacts import Change, Contacts
from chatapp.peer.core.context import LookUp
from chatapp.wire.codec import Kind
from chatapp.wire.messages.registration import RefusalReason, Rename, RenameAccepted, RenameRefused
from chatapp.wire.messages.table import Presence, Row, TablePage
from tests.peer.core.cast import POLICY, Someone, raw
from tests.peer.core.core_driver import CoreDriver

BOB, CAROL = Someone("bob"), Someone("carol")
COMING_AND_GOING = events.PersonCame | events.PersonAway


@pytest.fixture
def node() -> CoreDriver:
    node = CoreDriver()
    node.come_in(BOB.row(1))
    node.asked(), node.saw()
    return node


def ask(node: CoreDriver, new: str = "ada") -> Rename:
    node.core.registry.renaming.request(new, now=node.now)
    node.turn()
    (request,) = (request for request in node.asked() if isinstance(request, Rename))
    return request


def test_a_name_is_ours_when_the_registry_says_so(node: CoreDriver) -> None:
    before = node.core.me.card
    request = ask(node)
    assert (request.card.name, request.card.identity) == ("ada", before.identity)
    assert request.card.counter > before.counter
    assert node.core.me.name == "alice"
    node.told(RenameAccepted(request.reference))
    assert node.saw() == [events.Renamed(old="alice", new="ada", is_me=True)]
    assert (node.core.me.name, node.core.me.card.name) == ("ada", "ada")
    assert node.core.me.card.counter >= request.card.counter
    assert (
        node.core.registry.renaming.take_confirmed(),
        node.core.registry.renaming.take_confirmed(),
    ) == (
        "ada",
        None,
    )


@pytest.mark.parametrize(
    "reason", [one for one in RefusalReason if one is not RefusalReason.VERSION]
)
def test_a_name_that_is_refused_changes_nothing(node: CoreDriver, reason: RefusalReason) -> None:
    node.told(RenameRefused(ask(node).reference, reason))
    (event,) = node.saw()
    assert isinstance(
        event, events.NameUnavailable if reason is RefusalReason.NAME_TAKEN else events.RenameFailed
    )
    assert (node.core.me.name, node.core.registry.renaming.take_confirmed()) == ("alice", "alice")


@pytest.mark.parametrize("new", ["", "a b", "server", "alice"])
def test_what_can_be_no_name_is_not_asked_for(node: CoreDriver, new: str) -> None:
    node.core.registry.renaming.request(new, now=node.now)
    node.turn()
    assert [type(event) for event in node.saw()] == [events.RenameFailed]
    assert not any(isinstance(request, Rename) for request in node.asked())


def test_without_the_registry_nobody_is_renamed(node: CoreDriver) -> None:
    node.lose_link()
    node.pass_time(6.0)
    node.saw()
    node.core.registry.renaming.request("ada", now=node.now)
    node.turn()
    assert node.saw() == [events.RenameFailed(name="ada", reason=events.RenameRefusal.UNREACHABLE)]


def test_a_release_that_is_not_answered_is_reported(node: CoreDriver) -> None:
    node.core.registry.releasing.request(now=node.now)
    node.pass_time(POLICY.give_up_after + 0.1)
    (event,) = node.saw()
    assert event == events.ReleaseFailed(name="alice", reason=events.ReleaseRefusal.UNANSWERED)
    assert not node.core.registry.releasing.is_pending


def test_an_answer_that_was_lost_is_made_up_for_by_the_next_welcome(node: CoreDriver) -> None:
    """The registry had not heard of it: the card under the old name is welcome. It may hear of it
    yet (a registry that was stopped reads datagrams first, and the frames of its old links then),
    so it is shown a newer one before all is said."""
    request = ask(node)
    node.lose_link()
    node.register()
    assert node.saw() == []
    assert node.core.registry.renaming.take_confirmed() is None
    node.register()
    assert node.core.me.card.name == "alice"
    assert node.core.me.card.counter > request.card.counter
    assert events.RenameFailed(name="ada", reason=events.RenameRefusal.NOT_TAKEN) in node.saw()
    assert node.core.registry.renaming.take_confirmed() == "alice"


@pytest.mark.parametrize("reason", [RefusalReason.OLD_CARD, RefusalReason.FULL])
def test_a_question_that_was_read_after_all_gives_us_the_new_name(
    node: CoreDriver, reason: RefusalReason
) -> None:
    """The rename is stored between two WELCOMEs, and the old name is no longer available."""
    ask(node)
    node.lose_link()
    node.register()
    hello = node.sent(Kind.HELLO)[-1]
    node.hears(bytes((Kind.COOKIE,)) + node.porter.cookie(hello))
    register = node.sent(Kind.REGISTER)[-1]
    node.hears(bytes((Kind.REFUSED,)) + node.porter.refused(register, reason))
    node.register()
    assert events.Renamed(old="alice", new="ada", is_me=True) in node.saw()
    assert (node.core.me.name, node.core.registry.renaming.take_confirmed()) == ("ada", "ada")


def test_a_peer_refused_under_its_old_name_tries_the_new_one(node: CoreDriver) -> None:
    """The registry had accepted the new name, and knows a newer card than ours."""
    ask(node)
    node.lose_link()
    hello = node.sent(Kind.HELLO)[-1]
    node.hears(bytes((Kind.COOKIE,)) + node.porter.cookie(hello))
    register = node.sent(Kind.REGISTER)[-1]
    node.hears(bytes((Kind.REFUSED,)) + node.porter.refused(register, RefusalReason.OLD_CARD))
    node.register()
    assert events.Renamed(old="alice", new="ada", is_me=True) in node.saw()
    assert (node.core.me.name, node.core.registry.renaming.take_confirmed()) == ("ada", "ada")


def test_what_we_write_to_our_former_name_is_a_note_to_ourselves(node: CoreDriver) -> None:
    """The table shows us under that name until our new row comes."""
    our_row = node.alice.row(101)
    node.told(TablePage(node.core.table_version, 101, more=False, rows=raw(our_row)))
    node.told(RenameAccepted(ask(node).reference))
    node.asked(), node.saw()
    for number, name in enumerate(("alice", "ada", "Alice")):
        assert node.core.direct.look_up(name, now=node.now) is LookUp.KNOWN
        assert (
            node.core.direct.send(name, f"note {number}", now=node.now).conversation.name == "ada"
        )
        node.turn()
    shown = [event.text for event in node.saw() if isinstance(event, events.Said)]
    assert shown == ["note 0", "note 1", "note 2"]


# --- others


def renamed(someone: Someone, name: str, version: int) -> Row:
    again = someone.again(life=someone.counter + 1)
    return Row(again.card(name=name), *someone.home, Presence.ONLINE, 0, 0, version)


def test_somebody_else_is_found_under_both_names_until_another_takes_the_old_one() -> None:
    contacts = Contacts()
    contacts.take_row(BOB.row(1))
    assert contacts.take_row(renamed(BOB, "bobby", 2)) is not Change.REFUSED
    for name in ("bob", "Bobby"):
        found = contacts.by_name(name)
        assert found is not None
        assert found.name == "bobby"
    impostor = Someone("other")
    assert contacts.take_row(impostor.row(3, name="bob")) is Change.MOVED
    assert contacts.by_name("bob") is contacts.by_identity(impostor.id)
    assert contacts.by_name("bobby") is contacts.by_identity(BOB.id)
    assert not contacts.is_blocked("bob")


def test_so_they_are_after_our_next_start(node: CoreDriver) -> None:
    def shows(*rows: Row, version: int) -> None:
        node.told(TablePage(node.core.table_version, version, more=False, rows=raw(*rows)))

    shows(BOB.row(101), version=101)
    shows(renamed(BOB, "bobby", 102), version=102)
    later = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    assert later.core.direct.look_up("BOB", now=later.now) is LookUp.KNOWN
    assert later.core.direct.send("bob", "hi", now=later.now).conversation.name == "bobby"
    shows(Someone("other").row(103, name="Bob"), version=103)
    third = CoreDriver(disk=node.disk, porter=node.porter, life=3)
    assert third.core.direct.send("bob", "hi", now=third.now).conversation.name == "Bob"
    assert third.core.direct.send("bobby", "hi", now=third.now).conversation.name == "bobby"


def test_a_name_that_somebody_bears_now_is_still_guarded() -> None:
    contacts = Contacts()
    contacts.take_row(BOB.row(1))
    contacts.take_row(renamed(BOB, "bobby", 2))
    assert contacts.take_row(Someone("other").row(3, name="bobby")) is Change.KEY_CHANGED


def test_one_former_name_is_kept_and_not_more() -> None:
    contacts = Contacts()
    contacts.take_row(BOB.row(1))
    for count in range(2, 6):
        contacts.take_row(renamed(Someone("bob", life=count), f"bob{count}", count))
    assert contacts.by_name("bob") is contacts.by_name("bob3") is None
    assert contacts.by_name("bob4") is contacts.by_name("bob5") is contacts.by_identity(BOB.id)


def test_the_user_is_told_of_names_and_of_who_goes(node: CoreDriver) -> None:
    def page(row: Row, version: int) -> None:
        node.told(TablePage(node.core.table_version, version, more=False, rows=raw(row)))

    page(renamed(BOB, "bobby", 101), 101)
    assert events.Renamed(old="bob", new="bobby", is_me=False) in node.saw()
    came = events.PersonCame(name="bobby")
    for version, presence, news in (
        (102, Presence.AWAY, [events.PersonAway(name="bobby", how=events.Absence.LEFT)]),
        (103, Presence.ONLINE, [came]),
        (104, Presence.LOST, [events.PersonAway(name="bobby", how=events.Absence.LOST)]),
        (105, Presence.AWAY, []),
    ):
        row = renamed(BOB, "bobby", version)
        page(Row(row.card, row.host, row.port, presence, 0, 0, version), version)
        assert [event for event in node.saw() if isinstance(event, COMING_AND_GOING)] == news
    page(CAROL.row(106), 106)
    assert events.PersonCame(name="carol") in node.saw()


def test_who_came_and_went_while_our_link_was_down_is_no_news(node: CoreDriver) -> None:
    node.lose_link()
    node.register()
    node.attach(BOB.row(101, online=False), CAROL.row(102), version=102)
    assert [event for event in node.saw() if isinstance(event, COMING_AND_GOING)] == [
        events.PersonAway(name="bob", how=events.Absence.LEFT, is_quiet=True),
        events.PersonCame(name="carol", is_quiet=True),
    ]


def test_nothing_is_told_by_name_of_who_was_there_before_us() -> None:
    node = CoreDriver()
    node.come_in(BOB.row(100), CAROL.row(101))
    assert not any(isinstance(event, COMING_AND_GOING) for event in node.saw())
