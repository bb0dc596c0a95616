"""Names of queues and operators: found in any case, and shown as configured."""

import pytest

from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.wire.messages import desk as wire
from tests.registry.rules.desk.help_desk import HelpDesk

SETTINGS = DeskSettings(queues=("desk", "Prüfung"), operators=("Ann", "Ömer"))
SPELLINGS = ("Prüfung", "prüfung", "PRÜFUNG", "pru\u0308fung")


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_queue_is_found_in_whatever_case(name: str) -> None:
    assert SETTINGS.queue_named(name) == "Prüfung"


@pytest.mark.parametrize("name", ["prufung", "desk2", "two words", "x" * 100])
def test_another_name_is_not_a_queue(name: str) -> None:
    assert SETTINGS.queue_named(name) is None


@pytest.mark.parametrize("name", SPELLINGS)
def test_visitors_and_operators_meet_however_they_write_its_name(name: str) -> None:
    help_desk = HelpDesk(SETTINGS)
    ann = help_desk.operator("ann")
    asha = help_desk.visitor()
    asha.join(queue=name)
    assert asha.last(wire.PositionReported).position == 1
    ann.ask(wire.ShowRoom(1, name))
    room = ann.last(wire.RoomShown)
    assert (room.queue, len(room.waiting)) == ("Prüfung", 1)
    ann.ask(wire.ShowFigures(2, name.swapcase()))
    assert ann.last(wire.FiguresShown).waiting == 1
    ann.ask(wire.TakeDuty(3, name.swapcase()))
    told = ann.hear()
    assert [(one.is_on, one.queue) for one in told if isinstance(one, wire.DutyStatus)] == [
        (True, "Prüfung")
    ]
    assert [one.queue for one in told if isinstance(one, wire.ClientAssigned)] == ["Prüfung"]


def test_a_queue_whose_name_is_written_otherwise_since_the_last_start_is_the_same() -> None:
    help_desk = HelpDesk(SETTINGS)
    help_desk.visitor().join(queue="prüfung")
    help_desk.rig.desk = DeskSettings(queues=("desk", "PRÜFUNG"), operators=SETTINGS.operators)
    help_desk.restart()
    ann = help_desk.operator("Ann")
    ann.ask(wire.ShowRoom(1, "prüfung"))
    room = ann.last(wire.RoomShown)
    assert (room.queue, len(room.waiting)) == ("PRÜFUNG", 1)


def test_an_operator_is_found_in_whatever_case() -> None:
    help_desk = HelpDesk(SETTINGS)
    ann, omer = help_desk.operator("ANN"), help_desk.operator("ömer")
    help_desk.joined()
    for one in (ann, omer):
        one.ask(wire.TakeDuty(1, ""))
    ann.hear()
    ann.ask(wire.HandOver(2, ann.client, "ÖMER"))
    assert ann.last(wire.CommandDone).result is wire.CommandResult.DONE
    assert omer.last(wire.ClientAssigned).name == "Asha Rao"
