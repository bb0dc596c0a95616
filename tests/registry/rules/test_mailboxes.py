"""Mailboxes: quotas, repeats, oldest first, and a consistent index."""

from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.rules.mail import Mailboxes, QueuedLetter
from chatapp.wire.limits import LETTER_PLACE, MAIL_BATCH_MAX, MAIL_KEPT_FOR, MAILBOX_PLACES
from chatapp.wire.messages.mail import MailRefusal

BOB, EVE, ANN = b"b" * 32, b"e" * 32, b"a" * 32
HERE, THERE = "10.0.0.1", "10.0.0.2"


def boxes(places: int = 10_000) -> Mailboxes:
    return Mailboxes(places=places, next_serial=1)


def add(
    all_mail: Mailboxes, sender: bytes, number: int, size: int = 100, now: float = 0.0
) -> QueuedLetter:
    assert all_mail.refusal_of(BOB, sender, HERE, size) is None
    letter = all_mail.deposit(BOB, sender, HERE, number, size, now=now)
    letter.is_stored = True
    return letter


def stuffed(mail: Mailboxes, network: str, recipient: bytes = BOB, senders: int = 50) -> int:
    """Return how many letters so many identities of one network can store."""
    number = len(mail)
    begun = number
    for who in range(senders):
        sender = f"{network} {who}".encode()
        while mail.refusal_of(recipient, sender, network, 100) is None:
            mail.deposit(recipient, sender, network, number, 100, now=0.0)
            number += 1
    return number - begun


def test_one_network_leaves_half_of_a_mailbox_to_others() -> None:
    mail = boxes()
    assert stuffed(mail, HERE) == MAILBOX_PLACES // 2
    assert mail.refusal_of(BOB, EVE, HERE, 100) is MailRefusal.SHARE_USED_UP
    assert mail.refusal_of(BOB, EVE, THERE, 100) is None
    assert mail.refusal_of(ANN, EVE, HERE, 100) is None


def test_one_sender_leaves_some_of_the_network_share_to_others() -> None:
    mail = boxes()
    assert stuffed(mail, HERE, senders=1) == 86
    assert mail.refusal_of(BOB, EVE, HERE, 100) is None


def test_a_large_letter_takes_places_by_its_size() -> None:
    mail = boxes()
    assert add(mail, EVE, 1, 100).places == 1
    assert add(mail, EVE, 2, 16 * LETTER_PLACE).places == 17
    box = mail.find(BOB)
    assert box is not None
    assert box.shares.held == 18


def test_a_mailbox_is_full_when_many_networks_have_filled_it() -> None:
    mail = boxes()
    assert sum(stuffed(mail, f"10.0.1.{number}") for number in range(20)) == MAILBOX_PLACES
    assert mail.refusal_of(BOB, EVE, THERE, 1) is MailRefusal.MAILBOX_FULL
    mail.remove(BOB, [1])
    assert mail.refusal_of(BOB, EVE, THERE, 1) is None


def test_all_mailboxes_together_are_shared_in_the_same_way() -> None:
    """Otherwise four people could fill all mailboxes, by letters to their own accomplices."""
    mail = boxes(places=512)
    assert sum(stuffed(mail, HERE, bytes([number]) * 32) for number in range(20)) == 256
    assert mail.refusal_of(BOB, EVE, HERE, 1) is MailRefusal.SHARE_USED_UP
    assert mail.refusal_of(BOB, ANN, THERE, 1) is None


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
    assert ([letter.number for letter in box.next_batch().letters], box.outstanding) == (
        [0, 1],
        {1, 2},
    )
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
    mail.deposit(BOB, EVE, HERE, 1, 10, now=0.0)
    box = mail.find(BOB)
    assert box is not None
    assert box.next_batch() == ([], False)


def test_expiry_spares_what_is_out_or_on_its_way_to_the_disk() -> None:
    mail = boxes()
    add(mail, EVE, 1)
    add(mail, EVE, 2)
    mail.deposit(BOB, EVE, HERE, 3, 10, now=0.0)
    add(mail, EVE, 4, now=10.0)
    box = mail.find(BOB)
    assert box is not None
    box.outstanding = {2}
    assert list(mail.expired(now=MAIL_KEPT_FOR - 1)) == []
    assert list(mail.expired(now=MAIL_KEPT_FOR)) == [(BOB, [1])]


def test_loaded_letters_raise_the_serial() -> None:
    mail = boxes()
    loaded = QueuedLetter(serial=50, sender=EVE, number=1, size=10, expires_at=99.0, is_stored=True)
    mail.add(BOB, loaded, HERE)
    assert add(mail, EVE, 2).serial == 51


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 2), st.integers(0, 40), st.integers(1, 60_000))
    )
)
def test_the_index_adds_up_whatever_happens(steps: list[tuple[bool, int, int, int]]) -> None:
    mail = boxes()
    model: dict[int, tuple[bytes, int, int]] = {}
    for is_deposit, who, number, size in steps:
        sender = bytes([who]) * 32
        if not is_deposit:
            removed = mail.remove(BOB, [number])
            assert [letter.serial for letter in removed] == ([number] if number in model else [])
            model.pop(number, None)
        elif mail.refusal_of(BOB, sender, HERE, size) is None and not any(
            (author, known) == (sender, number) for author, known, _ in model.values()
        ):
            model[mail.deposit(BOB, sender, HERE, number, size, now=0.0).serial] = (
                sender,
                number,
                size,
            )
        box = mail.find(BOB)
        assert len(mail) == len(model) == (0 if box is None else len(box))
        places = sum(1 + size // LETTER_PLACE for *_, size in model.values())
        assert places == (0 if box is None else box.shares.held) == mail._shares.held
