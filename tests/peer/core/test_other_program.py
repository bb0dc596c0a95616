"""The registry knows a newer card of ours: from before our folder was restored, or from another
program."""

import pytest

from chatapp.peer.api import events
from chatapp.peer.core.registry.registration import OUTDONE_MAX
from chatapp.wire.codec import Kind
from chatapp.wire.messages.registration import RefusalReason
from tests.peer.core.core_driver import CoreDriver


@pytest.fixture
def node() -> CoreDriver:
    node = CoreDriver()
    node.come_in()
    node.asked(), node.saw()
    return node


def meets(node: CoreDriver, counter: int) -> None:
    """The registry answers the REGISTER: it knows a card with this counter."""
    hello = node.sent(Kind.HELLO)[-1]
    node.hears(bytes((Kind.COOKIE,)) + node.porter.cookie(hello))
    register = node.sent(Kind.REGISTER)[-1]
    refused = node.porter.refused(register, RefusalReason.OLD_CARD, counter=counter)
    node.hears(bytes((Kind.REFUSED,)) + refused)


def wants_in(node: CoreDriver) -> None:
    node.core.leave(now=node.now)
    node.core.start(now=node.now)
    node.turn()
    node.saw()


def refusals(node: CoreDriver) -> list[events.AdmissionRefused]:
    return [event for event in node.saw() if isinstance(event, events.AdmissionRefused)]


def test_a_folder_that_was_put_back_is_let_in_with_a_newer_card(node: CoreDriver) -> None:
    wants_in(node)
    known = node.core.me.card.counter + 3_600_000
    meets(node, known)
    node.register()
    assert node.core.me.card.counter == known + 1
    assert refusals(node) == []


def test_a_registered_user_reads_that_another_program_has_the_key_and_can_register_again(
    node: CoreDriver,
) -> None:
    known = node.core.me.card.counter + 5
    node.lose_link()
    meets(node, known)
    (refused,) = refusals(node)
    assert refused.reason is events.AdmissionRefusal.OTHER_PROGRAM
    assert node.core.me.card.counter < known, "the other one is not put out by itself"
    wants_in(node)
    meets(node, known)
    node.register()
    assert node.core.me.card.counter == known + 1


@pytest.mark.parametrize("counter", [0, 2**63 - 1])
def test_a_registry_that_names_no_counter_to_outdo_is_told_of(
    node: CoreDriver, counter: int
) -> None:
    wants_in(node)
    meets(node, counter)
    (refused,) = refusals(node)
    assert refused.reason is events.AdmissionRefusal.OLD_CARD


def test_a_registry_that_always_knows_a_newer_one_is_told_of(node: CoreDriver) -> None:
    wants_in(node)
    for _ in range(OUTDONE_MAX):
        meets(node, node.core.me.card.counter)
        assert refusals(node) == []
    meets(node, node.core.me.card.counter)
    assert refusals(node)
    wants_in(node)
    meets(node, node.core.me.card.counter)
    assert refusals(node) == [], "a new wish, a new try"
