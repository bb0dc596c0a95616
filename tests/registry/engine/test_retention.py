"""Retention: letters and lines leave the registry after the days that its settings name, and not
before."""

import pytest

from chatapp.registry.program.settings import RegistryTable, policy_of
from chatapp.registry.rules.admin_requests import MailFound, RoomsFound, ShowMail, ShowRooms
from chatapp.registry.rules.limits import RegistryPolicy
from chatapp.wire.messages.mail import DepositMail, MailExpired
from chatapp.wire.messages.registration import Welcome
from tests.registry.rig import Rig

DAY = 86_400.0


def counted(rig: Rig) -> tuple[int, int]:
    """Return how many letters wait, and how many lines rooms have."""
    rig.core.run_admin_request(ShowMail(), "mail", now=rig.now)
    rig.core.run_admin_request(ShowRooms(), "rooms", now=rig.now)
    (_, mail), (_, rooms) = rig.core.take_admin_answers()
    assert isinstance(mail, MailFound)
    assert isinstance(rooms, RoomsFound)
    return mail.letters, sum(room.lines for room in rooms.rooms)


@pytest.mark.parametrize("days", [1, 3, 21])
def test_a_letter_waits_for_its_days_and_its_sender_is_told(days: int) -> None:
    rig = Rig(policy=policy_of(RegistryTable(keep_mail=days)))
    alice, bob = rig.member("alice"), rig.peer("bob")
    assert isinstance(bob.register(), Welcome)
    bob.leave()
    alice.ask(DepositMail(recipient=bob.id, number=1, letter=b"x" * 200, reference=1))
    rig.advance((days - 0.5) * DAY)
    assert counted(rig) == (1, 0)
    assert MailExpired(bob.id, 1) not in alice.notices()
    rig.advance(0.6 * DAY)
    assert counted(rig) == (0, 0)
    assert MailExpired(bob.id, 1) in alice.notices()


@pytest.mark.parametrize("days", [1, 3, 10])
def test_a_line_is_kept_for_its_days(days: int) -> None:
    rig = Rig(policy=policy_of(RegistryTable(keep_lines=days)))
    alice = rig.member("alice")
    alice.enter("lab")
    alice.say("hi")
    rig.advance((days - 0.5) * DAY)
    assert counted(rig) == (0, 1)
    rig.advance(0.6 * DAY)
    assert counted(rig) == (0, 0)


def test_a_restart_counts_from_the_day_on_which_it_was_stored() -> None:
    rig = Rig(policy=RegistryPolicy(mail_kept_for=3 * DAY))
    alice, bob = rig.member("alice"), rig.peer("bob")
    assert isinstance(bob.register(), Welcome)
    bob.leave()
    alice.ask(DepositMail(recipient=bob.id, number=1, letter=b"x" * 200, reference=1))
    rig.advance(1.5 * DAY)
    rig.restart()
    assert counted(rig) == (1, 0)
    rig.advance(1.4 * DAY)
    assert counted(rig) == (1, 0)
    rig.advance(0.2 * DAY)
    assert counted(rig) == (0, 0)
