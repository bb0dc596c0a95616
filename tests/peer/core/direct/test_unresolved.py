"""Messages to names that are not in the table while the registry cannot be asked."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.api.conversations import person
from chatapp.peer.api.events import MessageChanged, MessageState, Said
from chatapp.peer.core.context import LookUp
from chatapp.wire.messages.link import PeerRequest
from chatapp.wire.messages.mail import DepositMail, MailBatch
from chatapp.wire.messages.rooms import CHANNEL, GroupGranted
from chatapp.wire.messages.table import FetchTable, TablePage
from tests.peer.core.cast import Someone, raw
from tests.peer.core.core_driver import KEY, SENDER_INDEX, CoreDriver
from tests.support.screen import is_now

BOB, CAROL = Someone("bob"), Someone("carol")


@pytest.fixture
def node() -> CoreDriver:
    """Return Alice, welcomed; TCP is blocked, so there is neither a link nor a table."""
    node = CoreDriver()
    node.start()
    node.register()
    assert node.core.wants_link()
    node.lose_link()
    node.pass_time(6.0)
    node.saw()
    return node


def send(node: CoreDriver, to: str, text: str) -> int:
    assert node.core.direct.look_up(to, now=node.now) is LookUp.UNANSWERED
    begun = node.core.direct.keep(to, text, now=node.now)
    node.turn()
    return begun.id


def renamed(someone: Someone, name: str) -> Someone:
    """Return the same person under another name."""
    again = someone.again()
    again.name = name
    return again


def come_back(node: CoreDriver, *who: Someone) -> list[PeerRequest]:
    """Register, with a link and the whole table; return the requests that follow."""
    node.register()
    node.greet()
    node.told(GroupGranted(CHANNEL, 1, KEY, SENDER_INDEX, 0), MailBatch([], more=False))
    rows = [one.row(number, online=False) for number, one in enumerate(who, 1)]
    asked = node.asked()
    while since := [request.since for request in asked if isinstance(request, FetchTable)]:
        node.told(TablePage(since[-1], 100, more=False, rows=raw(*rows)))
        asked = node.asked()
    return asked


def test_a_message_is_kept_and_goes_to_the_bearer_of_the_name(node: CoreDriver) -> None:
    first, second = send(node, "bob", "one"), send(node, "Bob", "two")
    assert node.saw() == [
        MessageChanged(conversation=person("bob"), id=id_, state=MessageState.KEPT)
        for id_ in (first, second)
    ]
    assert node.core.is_settled
    asked = come_back(node, BOB)
    (addressed,) = [event for event in node.saw() if isinstance(event, events.Addressed)]
    assert (addressed.name, addressed.conversation) == ("bob", person("bob"))
    assert [line.id for line in node.disk.lines.all()] == [first, second]
    letters = [request for request in asked if isinstance(request, DepositMail)]
    assert {letter.recipient for letter in letters} == {BOB.id}


def test_only_the_registry_can_say_that_nobody_bears_a_name(node: CoreDriver) -> None:
    id_ = send(node, "carol", "hello?")
    node.pass_time(60.0)
    assert not any(is_now(event, events.MessageState.REFUSED) for event in node.saw())
    come_back(node, BOB)
    assert (
        events.MessageChanged(
            conversation=person("carol"),
            id=id_,
            state=events.MessageState.REFUSED,
            reason=events.MessageReason.NOBODY,
        )
        in node.saw()
    )
    assert not node.core.direct._unresolved.waiting


def test_it_outlives_the_program(node: CoreDriver) -> None:
    id_ = send(node, "bob", "one")
    later = CoreDriver(disk=node.disk, porter=node.porter, life=2)
    later.start()
    come_back(later, BOB)
    (addressed,) = [event for event in later.saw() if isinstance(event, events.Addressed)]
    assert (addressed.name, addressed.conversation) == ("bob", person("bob"))
    lines = [(line.id, line.text, line.person, line.state) for line in later.disk.lines.all()]
    assert lines == [(id_, "one", BOB.id, MessageState.UNSETTLED)]


def test_another_registry_does_not_get_it(node: CoreDriver) -> None:
    send(node, "bob", "one")
    stored = node.disk.load()
    assert list(stored.unresolved_names.values()) == ["bob"]
    other = CoreDriver()
    other.core.direct._unresolved.restore(b"r" * 32, stored.unresolved_names, dict(stored.streams))
    assert other.core.direct._unresolved.waiting == {}


def test_a_name_that_cannot_be_is_refused_at_once(node: CoreDriver) -> None:
    assert node.core.direct.look_up("no/body", now=node.now) is LookUp.UNKNOWN


def test_a_name_whose_key_is_in_doubt_waits_for_the_user(node: CoreDriver) -> None:
    send(node, "bob", "one")
    contacts = node.core.roster.contacts
    contacts.take_row(BOB.row(1, online=False))
    contacts.take_row(Someone("mallory").row(2, name="bob"))
    assert contacts.is_blocked("bob")
    node.pass_time(1.0)
    assert node.core.direct._unresolved.waiting


def test_a_message_to_a_name_that_is_ours_by_then_becomes_a_note(node: CoreDriver) -> None:
    """Our program asked for the name, the registry gave it to us, and the answer got lost."""
    id_ = send(node, "ada", "milk")
    asked = come_back(node, renamed(node.alice, "ada"))
    events = [event for event in node.saw() if isinstance(event, Said | MessageChanged)]
    _, note, told = events
    assert isinstance(note, Said)
    assert (note.id, note.identity, note.text) == (id_, node.alice.id, "milk")
    assert is_now(told, MessageState.DELIVERED)
    assert not any(isinstance(request, DepositMail) for request in asked)
    assert not node.core.direct._unresolved.waiting
    assert [(line.id, line.person, line.state) for line in node.disk.lines.all()] == [
        (id_, node.alice.id, MessageState.DELIVERED)
    ]
