"""Guests: links of people without a name, which may use the desk and nothing else."""

from chatapp.wire.limits import GUESTS_PER_ADDRESS
from chatapp.wire.messages.desk import TakeDuty
from chatapp.wire.messages.registration import Ping, Pong, RefusalReason, Refused
from chatapp.wire.messages.rooms import FetchGroup
from chatapp.wire.messages.table import FetchCards, FetchTable
from tests.registry.rules.desk.help_desk import HelpDesk


def test_a_guest_has_no_row_and_is_served_nothing_else(help_desk: HelpDesk) -> None:
    alice = help_desk.rig.member("alice")
    asha = help_desk.visitor()
    alice.notices()
    assert [row.name_key for row in help_desk.rig.core.engine.hub.directory] == ["alice"]
    asha.hear()
    member = help_desk.rig.core.engine.hub.directory.online()
    cards = FetchCards(member)
    for request in (FetchTable(0), cards, FetchGroup("channel", 0), TakeDuty(1, "")):
        asha.peer.send(request)
    assert asha.hear() == []
    assert asha.peer.ask(Ping(3)) == [Pong(3, 0)]
    alice.send_raw(alice.line("for members"))
    assert asha.peer.relayed() == []


def test_guests_of_one_address_have_a_cap_and_are_forgotten(help_desk: HelpDesk) -> None:
    for _ in range(GUESTS_PER_ADDRESS):
        help_desk.rig.peer("", host="10.9.9.9").register()
    answer = help_desk.rig.peer("", host="10.9.9.9").register()
    assert isinstance(answer, Refused)
    assert answer.reason is RefusalReason.ADDRESS_FULL
    help_desk.advance(61.0)
    assert not isinstance(help_desk.rig.peer("", host="10.9.9.9").register(), Refused)


def test_the_first_notice_says_what_to_ask_for(help_desk: HelpDesk) -> None:
    shown = help_desk.visitor().shown
    assert (shown.queues, shown.region, shown.keep_place, len(shown.menu)) == (
        ["desk"],
        "IN",
        60,
        6,
    )
