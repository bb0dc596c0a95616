"""Mail at the registry: saved means on disk; quotas, repeats, order, restarts, expiry."""

import pytest

from chatapp.registry.rules.effects import DropReason
from chatapp.wire.address import Address
from chatapp.wire.limits import LETTER_MAX, MAIL_BATCH_MAX, MAIL_KEPT_FOR, MAILBOX_PLACES
from chatapp.wire.messages.link import RegistryNotice
from chatapp.wire.messages.mail import (
    AskMail,
    DepositMail,
    Letter,
    MailBatch,
    MailExpired,
    MailRefusal,
    MailRefused,
    MailSaved,
    TakeMail,
)
from tests.registry.linked_peer import LinkedPeer
from tests.registry.rig import Rig
from tests.registry.rules.group_requests import back


@pytest.fixture
def bob(rig: Rig) -> LinkedPeer:
    """Register a person who then goes away."""
    bob = rig.peer("bob")
    bob.register()
    bob.leave()
    return bob


def letter(
    to: LinkedPeer, number: int = 1, *, reference: int = 1, text: bytes = b"sealed"
) -> DepositMail:
    return DepositMail(reference=reference, recipient=to.id, number=number, letter=text)


def come_back(peer: LinkedPeer) -> MailBatch:
    """Register and attach; return the first batch of mail."""
    peer.register()
    notices = peer.attach()
    batch = notices[-1]
    assert isinstance(batch, MailBatch)
    return batch


def batches(notices: list[RegistryNotice]) -> list[MailBatch]:
    return [notice for notice in notices if isinstance(notice, MailBatch)]


def numbers(batch: MailBatch) -> list[int]:
    return [one.number for one in batch.letters]


def test_saved_is_said_when_it_is_on_the_disk_and_not_before(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    rig.auto_commit = False
    assert ann.ask(letter(bob)) == []
    rig.hand_over()
    rig.turn()
    assert ann.notices() == []
    rig.commit()
    assert ann.notices() == [MailSaved(1)]


def test_what_is_saved_survives_a_crash(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    ann.ask(letter(bob, 5, text=b"five"))
    rig.restart(crash=True)
    assert come_back(bob) == MailBatch([Letter(1, ann.id, 5, b"five")], more=False)


def test_a_reader_without_mail_is_told_so(rig: Rig) -> None:
    bob = rig.peer("bob")
    assert come_back(bob) == MailBatch([], more=False)


def test_mail_comes_back_oldest_first_and_goes_when_taken(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    assert ann.ask(*(letter(bob, number, reference=number) for number in (3, 4, 5))) == [
        MailSaved(3),
        MailSaved(4),
        MailSaved(5),
    ]
    batch = come_back(bob)
    assert (numbers(batch), batch.more) == ([3, 4, 5], False)
    assert bob.ask(TakeMail([one.serial for one in batch.letters])) == []
    assert come_back(bob) == MailBatch([], more=False)
    rig.restart(crash=True)
    assert come_back(bob) == MailBatch([], more=False)


def test_what_was_not_taken_comes_again(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    ann.ask(letter(bob, 1), letter(bob, 2))
    batch = come_back(bob)
    bob.ask(TakeMail([batch.letters[0].serial]))
    bob.drop_link()
    assert numbers(come_back(bob)) == [2]


def test_the_next_batch_follows_when_all_of_the_last_is_taken(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    half = bytes(MAIL_BATCH_MAX // 2)
    for number in range(1, 6):
        ann.ask(letter(bob, number, text=half))
    batch = come_back(bob)
    assert (numbers(batch), batch.more) == ([1, 2], True)
    assert bob.ask(TakeMail([batch.letters[0].serial])) == []
    (batch,) = batches(bob.ask(TakeMail([batch.letters[1].serial])))
    assert (numbers(batch), batch.more) == ([3, 4], True)


def test_mail_for_somebody_with_a_link_goes_on_at_once(rig: Rig, ann: LinkedPeer) -> None:
    bob = rig.member("bob")
    ann.ask(letter(bob, 1))
    (batch,) = batches(bob.notices())
    assert numbers(batch) == [1]
    ann.ask(letter(bob, 2))
    assert bob.notices() == [], "the first one is still out"
    (batch,) = batches(bob.ask(TakeMail([batch.letters[0].serial])))
    assert numbers(batch) == [2]


def test_mail_to_oneself(ann: LinkedPeer) -> None:
    saved, batch = ann.ask(letter(ann))
    assert saved == MailSaved(1)
    assert isinstance(batch, MailBatch)


def test_the_same_letter_again_is_saved_already(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    ann.ask(letter(bob, 7))
    assert ann.ask(letter(bob, 7, reference=2)) == [MailSaved(2)]
    rig.restart()
    ann.register()
    ann.attach()
    assert ann.ask(letter(bob, 7, reference=3)) == [MailSaved(3)]
    assert numbers(come_back(bob)) == [7]


def test_the_same_letter_while_it_is_being_stored_waits_for_the_disk(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    rig.auto_commit = False
    assert ann.ask(letter(bob, 7), letter(bob, 7, reference=2)) == []
    rig.commit()
    assert ann.notices() == [MailSaved(1), MailSaved(2)]
    rig.auto_commit = True
    assert numbers(come_back(bob)) == [7]


def test_the_newest_repeat_of_a_letter_is_answered_and_no_letter_is_held_for_it(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    """A disk may hang while one letter is sent again and again."""
    rig.auto_commit = False
    ann.ask(*(letter(bob, 7, reference=reference) for reference in range(1, 100)))
    rig.commit()
    assert ann.notices() == [MailSaved(1), MailSaved(99)]


def test_a_letter_on_its_way_to_the_disk_cannot_be_taken(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    come_back(bob)
    rig.auto_commit = False
    ann.send(letter(bob, 7))
    bob.send(TakeMail(list(range(100))))
    rig.commit()
    assert [numbers(batch) for batch in batches(bob.notices())] == [[7]]


def test_the_same_number_of_two_senders_is_two_letters(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    eve = rig.member("eve")
    ann.ask(letter(bob, 7))
    eve.ask(letter(bob, 7))
    assert numbers(come_back(bob)) == [7, 7]


def test_a_full_disk_is_told_and_nothing_is_kept(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    ann.ask(letter(bob, 1))
    rig.store.full = True
    assert ann.ask(letter(bob, 2, reference=2)) == [MailRefused(2, MailRefusal.DISK_FULL)]
    assert numbers(come_back(bob)) == [1], "what was there can be read"
    rig.store.full = False
    assert MailSaved(3) in ann.ask(letter(bob, 2, reference=3))


def test_a_repeat_of_a_letter_that_the_disk_refused_is_refused_with_it(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    rig.auto_commit = False
    ann.ask(letter(bob, 7), letter(bob, 7, reference=2))
    entries = rig.core.entries_to_store()
    rig.core.store_failed("no room", newest=len(entries), is_full=True, now=rig.now)
    rig.turn()
    assert ann.notices() == [
        MailRefused(1, MailRefusal.DISK_FULL),
        MailRefused(2, MailRefusal.DISK_FULL),
    ]
    rig.auto_commit = True
    assert ann.ask(letter(bob, 7, reference=3))[0] == MailSaved(3)


def test_after_a_failed_sync_nothing_is_promised_and_old_mail_can_be_read(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    ann.ask(letter(bob, 1))
    rig.store.sync_fails = True
    assert ann.ask(letter(bob, 2, reference=2)) == [MailRefused(2, MailRefusal.DISK_FAILED)]
    assert ann.ask(letter(bob, 3, reference=3)) == [MailRefused(3, MailRefusal.DISK_FAILED)]
    assert numbers(come_back(bob)) == [1]


def test_nobody_gets_mail_whom_nobody_knows(ann: LinkedPeer, rig: Rig) -> None:
    stranger = rig.peer("stranger")
    assert ann.ask(letter(stranger)) == [MailRefused(1, MailRefusal.NAME_UNKNOWN)]


def test_quotas_are_told_and_hold_over_a_restart(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    accomplices = [rig.peer(f"user{number}", host=ann.address.host) for number in range(8)]
    back(rig, *accomplices)
    answers = [
        answer
        for sender in (ann, *accomplices)
        for number in range(MAILBOX_PLACES)
        for answer in sender.ask(letter(bob, number))
    ]
    saved = MAILBOX_PLACES // 2
    assert answers.count(MailSaved(1)) == saved
    assert answers.count(MailRefused(1, MailRefusal.SHARE_USED_UP)) == 9 * MAILBOX_PLACES - saved
    rig.restart()
    eve = rig.peer("eve")
    back(rig, ann, eve)
    assert ann.ask(letter(bob, 999, reference=9)) == [MailRefused(9, MailRefusal.SHARE_USED_UP)]
    assert eve.ask(letter(bob, 999, reference=9)) == [MailSaved(9)]


def test_who_moves_is_counted_with_the_network_of_their_first_name(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    while ann.ask(letter(bob, rig.rng.getrandbits(40))) == [MailSaved(1)]:
        pass
    ann.address = Address("10.9.9.9", 6_000)
    back(rig, ann)
    assert ann.ask(letter(bob, 999)) == [MailRefused(1, MailRefusal.SHARE_USED_UP)]


def test_the_longest_letter_passes_and_a_longer_one_is_refused(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer
) -> None:
    assert ann.ask(letter(bob, 1, text=bytes(LETTER_MAX))) == [MailSaved(1)]
    assert ann.ask(letter(bob, 2, text=bytes(LETTER_MAX + 1))) == []
    assert rig.core.dropped[DropReason.MALFORMED_FRAME] == 1
    assert len(come_back(bob).letters[0].letter) == LETTER_MAX


def test_nobody_takes_another_ones_mail(rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
    ann.ask(letter(bob))
    ann.ask(TakeMail([1, 2, 3]))
    assert numbers(come_back(bob)) == [1]


def test_letters_that_the_disk_lost_are_told_and_do_not_stop_the_others(
    rig: Rig, ann: LinkedPeer, bob: LinkedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann.ask(letter(bob, 1), letter(bob, 2))
    rig.store._state.mail[bob.id].pop(1)
    assert numbers(come_back(bob)) == [2]
    assert ann.notices()[-1] == MailExpired(bob.id, 1)


class TestAge:
    def test_what_nobody_fetches_goes_and_its_sender_is_told(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        ann.ask(letter(bob, 7))
        rig.now += MAIL_KEPT_FOR
        ann.register()
        ann.attach()
        rig.advance(61.0)
        assert MailExpired(bob.id, 7) in ann.notices()
        assert come_back(bob).letters == []
        rig.restart()
        assert come_back(bob).letters == []

    def test_a_returning_sender_asks_which_letters_are_gone(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        """The registry was off for 22 days too, and gives its letters a day more."""
        ann.ask(letter(bob, 7))
        rig.wall_offset += MAIL_KEPT_FOR + 86_400
        rig.restart()
        ann.register()
        ann.attach()
        ann.notices()
        assert ann.ask(AskMail(bob.id, [6, 7])) == [MailExpired(bob.id, 6)]
        assert numbers(come_back(bob)) == [7]
        bob.ask(TakeMail([1]))
        assert ann.ask(AskMail(bob.id, [7])) == [MailExpired(bob.id, 7)]
        assert bob.ask(AskMail(bob.id, [7])) == [MailExpired(bob.id, 7)], "one's own letters only"

    def test_a_wall_clock_that_jumps_while_we_run_ends_nothing_early(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        ann.ask(letter(bob, 7))
        for jump in (400 * 86_400.0, -800 * 86_400.0):
            rig.wall_offset += jump
            rig.core.set_wall(rig.now + rig.wall_offset, now=rig.now)
            rig.advance(120.0)
        assert numbers(come_back(bob)) == [7]

    def test_age_goes_on_over_restarts(self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer) -> None:
        ann.ask(letter(bob, 7))
        rig.restart(downtime=MAIL_KEPT_FOR - 86_400.0)
        rig.restart(downtime=2 * 86_400.0)
        rig.advance(86_400.0 - 120.0)
        assert len(rig.core.engine.hub.mail) == 1, "a day of grace, should the clock be wrong"
        rig.advance(240.0)
        assert len(rig.core.engine.hub.mail) == 0

    def test_a_clock_that_was_set_back_keeps_mail_no_longer_than_from_now(
        self, rig: Rig, ann: LinkedPeer, bob: LinkedPeer
    ) -> None:
        ann.ask(letter(bob, 7))
        rig.wall_offset -= 100 * 86_400.0
        rig.restart()
        rig.advance(MAIL_KEPT_FOR - 61.0)
        assert len(rig.core.engine.hub.mail) == 1
        rig.advance(180.0)
        assert len(rig.core.engine.hub.mail) == 0
