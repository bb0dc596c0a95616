"""This file is about mailboxes: quotas, repeats, oldest first, and an index that always adds up."""

from hypothesis import given
from hypothesis import strategies as st

from registry.mailboxes import Letter, Mailboxes
from wire.limits import (
    MAIL_BATCH_MAX,
    MAIL_KEPT_FOR,
    MAILBOX_BYTES_MAX,
    MAILBOX_LETTERS_MAX,
    MAILBOX_LETTERS_PER_SENDER,
)
from wire.messages.mail import MailRefusal

BOB, EVE, ANN = b"b" * 32, b"e" * 32, b"a" * 32


def boxes(letters_max: int = 10_000) -> Mailboxes:
    return Mailboxes(letters_max=letters_max, next_serial=1)


def add(all_mail: Mailboxes, sender: bytes, number: int, size: int = 100, now: float = 0.0) -> Letter:
    assert all_mail.refusal_of(BOB, sender, size) is None
    letter = all_mail.deposit(BOB, sender, number, size, now=now)
    letter.is_stored = True
    return letter


def test_a_sender_has_a_quota_in_each_mailbox() -> None:
    mail = boxes()
    for number in range(MAILBOX_LETTERS_PER_SENDER):
        add(mail, EVE, number)
    assert mail.refusal_of(BOB, EVE, 1) is MailRefusal.SENDER_QUOTA
    assert mail.refusal_of(BOB, ANN, 1) is None
    assert mail.refusal_of(ANN, EVE, 1) is None


def test_a_mailbox_has_a_quota_of_letters() -> None:
    mail = boxes()
    for number in range(MAILBOX_LETTERS_MAX):
        add(mail, bytes([number // 30]) * 32, number, 1)
    assert mail.refusal_of(BOB, ANN, 1) is MailRefusal.MAILBOX_FULL
    mail.remove(BOB, [1])
    assert mail.refusal_of(BOB, ANN, 1) is None


def test_a_mailbox_has_a_quota_of_bytes() -> None:
    mail = boxes()
    add(mail, EVE, 1, MAILBOX_BYTES_MAX - 10)
    assert mail.refusal_of(BOB, EVE, 11) is MailRefusal.MAILBOX_FULL
    assert mail.refusal_of(BOB, EVE, 10) is None
    assert mail.refusal_of(BOB, EVE, MAILBOX_BYTES_MAX + 1) is MailRefusal.TOO_LARGE


def test_all_mailboxes_together_have_a_quota() -> None:
    mail = boxes(letters_max=2)
    add(mail, EVE, 1)
    add(mail, EVE, 2)
    assert mail.refusal_of(ANN, EVE, 1) is MailRefusal.MAILBOX_FULL


def test_the_same_number_of_two_senders_is_two_letters() -> None:
    mail = boxes()
    first, second = add(mail, EVE, 7), add(mail, ANN, 7)
    box = mail.find(BOB)
    assert box is not None
    assert box.find(EVE, 7) is first
    assert box.find(ANN, 7) is second


def test_batches_are_oldest_first_and_end_at_their_size() -> None:
    mail = boxes()
    for number in range(5):
        add(mail, EVE, number, MAIL_BATCH_MAX // 2)
    box = mail.find(BOB)
    assert box is not None
    assert ([letter.number for letter in box.next_batch().letters], box.outstanding) == ([0, 1], {1, 2})
    mail.remove(BOB, [1, 2])
    batch = box.next_batch()
    assert ([letter.number for letter in batch.letters], batch.more) == ([2, 3], True)
    mail.remove(BOB, [3, 4])
    assert not box.next_batch().more


def test_one_letter_goes_whatever_its_size() -> None:
    mail = boxes()
    add(mail, EVE, 1, MAIL_BATCH_MAX + 1)
    box = mail.find(BOB)
    assert box is not None
    assert len(box.next_batch().letters) == 1


def test_a_letter_that_is_not_on_the_disk_is_not_handed_over() -> None:
    mail = boxes()
    mail.deposit(BOB, EVE, 1, 10, now=0.0)
    box = mail.find(BOB)
    assert box is not None
    assert box.next_batch() == ([], False)


def test_expiry_spares_what_is_out_or_on_its_way_to_the_disk() -> None:
    mail = boxes()
    add(mail, EVE, 1)
    add(mail, EVE, 2)
    mail.deposit(BOB, EVE, 3, 10, now=0.0)
    add(mail, EVE, 4, now=10.0)
    box = mail.find(BOB)
    assert box is not None
    box.outstanding = {2}
    assert list(mail.expired(now=MAIL_KEPT_FOR - 1)) == []
    assert list(mail.expired(now=MAIL_KEPT_FOR)) == [(BOB, [1])]


def test_loaded_letters_raise_the_serial() -> None:
    mail = boxes()
    loaded = Letter(serial=50, sender=EVE, number=1, size=10, expires_at=99.0, is_stored=True)
    mail.add(BOB, loaded)
    assert add(mail, EVE, 2).serial == 51


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 40), st.integers(1, 60_000))))
def test_the_index_adds_up_whatever_happens(steps: list[tuple[bool, int, int, int]]) -> None:
    mail = boxes()
    model: dict[int, tuple[bytes, int, int]] = {}
    for is_deposit, who, number, size in steps:
        sender = bytes([who]) * 32
        if not is_deposit:
            removed = mail.remove(BOB, [number])
            assert [letter.serial for letter in removed] == ([number] if number in model else [])
            model.pop(number, None)
        elif mail.refusal_of(BOB, sender, size) is None and not any(
            (author, known) == (sender, number) for author, known, _ in model.values()
        ):
            model[mail.deposit(BOB, sender, number, size, now=0.0).serial] = (sender, number, size)
        box = mail.find(BOB)
        assert len(mail) == len(model) == (0 if box is None else len(box))
        assert (0 if box is None else box.bytes) == sum(size for *_, size in model.values())
        for sender in {author for author, *_ in model.values()}:
            of_sender = sum(author == sender for author, *_ in model.values())
            assert of_sender <= MAILBOX_LETTERS_PER_SENDER
            assert box is not None
            assert box._of_sender[sender] == of_sender
