"""Letters: only their recipient can read them, and the author and the recipient are proved."""

import gc
import weakref
from types import FrameType

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire import sealing
from chatapp.wire.codec import decode_signed_letter, encode
from chatapp.wire.errors import DecodeError, SealError, WireError
from chatapp.wire.identity import AgreementKey, Identity
from chatapp.wire.limits import LETTER_MAX, LINK_FRAME_MAX, TEXT_MAX
from chatapp.wire.messages.mail import DepositMail, Letter, LetterBody, MailBatch, SignedLetter
from chatapp.wire.sealing import open_letter, seal_letter
from tests.support.strategies import messages
from tests.support.tampering import all_cuts, flipped, tampered

ALICE = Identity(b"\x01" * 32)
BOB = Identity(b"\x02" * 32)
EVE = Identity(b"\x03" * 32)
BOBS = AgreementKey(b"\x12" * 32)
BOBS_LAST_WEEK = AgreementKey(b"\x22" * 32)
EVES = AgreementKey(b"\x13" * 32)


def body_of(text: str = "see you at noon", **changed: object) -> LetterBody:
    """Return a letter of Alice to Bob."""
    said = LetterBody(
        number=1_800_000_000_000_000,
        floor=1_799_999_999_999_999,
        since=1_800_000_000_000_000,
        sender=ALICE.public,
        sender_name="alice",
        recipient=BOB.public,
        recipient_name="bob",
        at=1_800_000_000_000,
        text=text,
    )
    return msgspec.structs.replace(said, **changed)


def read_by_bob(
    letter: bytes, *, sender: bytes = ALICE.public, keys: list[AgreementKey] | None = None
) -> LetterBody:
    """Open as Bob a letter that the registry attributes to `sender`."""
    return open_letter(letter, reader=BOB.public, mail_keys=keys or [BOBS], sender=sender)


def sealed_anew(encoded: bytes, key: AgreementKey = BOBS) -> bytes:
    """Seal any bytes to a mail key, as anybody can."""
    public = X25519PublicKey.from_public_bytes(key.public)
    return key.public[:4] + sealing._suite.encrypt(encoded, public, info=sealing._LETTER)


LETTER = seal_letter(body_of(), author=ALICE, mail_key=BOBS.public)


def test_bob_reads_what_alice_wrote() -> None:
    assert read_by_bob(LETTER) == body_of()


@given(messages(LetterBody))
def test_every_letter_survives(said: LetterBody) -> None:
    said = msgspec.structs.replace(said, sender=ALICE.public, recipient=BOB.public)
    assert read_by_bob(seal_letter(said, author=ALICE, mail_key=BOBS.public)) == said


@pytest.mark.parametrize("letter", ["x", "é", "🙂"])
def test_the_longest_letter_is_within_its_limit(letter: str) -> None:
    text = letter * (TEXT_MAX // len(letter.encode()))
    said = body_of(
        text, sender_name="🙂" * 32, recipient_name="🙂" * 32, number=2**63 - 1, floor=2**63 - 1
    )
    sealed = seal_letter(said, author=ALICE, mail_key=BOBS.public)
    assert len(sealed) <= LETTER_MAX
    deposited = DepositMail(
        reference=2**32 - 1, recipient=BOB.public, number=2**63 - 1, letter=sealed
    )
    handed = Letter(serial=2**63 - 1, sender=ALICE.public, number=2**63 - 1, letter=sealed)
    for request in (deposited, MailBatch(letters=[handed], more=False)):
        assert 1 + len(encode(request)) + 16 <= LINK_FRAME_MAX
    assert read_by_bob(sealed) == said


def test_the_same_letter_looks_different_each_time() -> None:
    assert LETTER[4:] != seal_letter(body_of(), author=ALICE, mail_key=BOBS.public)[4:]


# --- altered, cut, invented


def test_a_letter_cannot_be_altered() -> None:
    for bit in range(8 * len(LETTER)):
        with pytest.raises(SealError):
            read_by_bob(flipped(LETTER, bit))


def test_a_letter_cannot_be_cut() -> None:
    for cut in all_cuts(LETTER):
        with pytest.raises(SealError):
            read_by_bob(cut)


@given(tampered(LETTER))
def test_a_letter_cannot_be_tampered_with(changed: bytes) -> None:
    with pytest.raises(WireError):
        read_by_bob(changed)


@given(st.binary(max_size=200))
def test_noise_is_not_a_letter(noise: bytes) -> None:
    with pytest.raises(SealError):
        read_by_bob(BOBS.public[:4] + noise)
    with pytest.raises((SealError, DecodeError)):
        read_by_bob(sealed_anew(noise))


@given(st.binary(max_size=100))
def test_a_well_signed_letter_may_still_be_nonsense(noise: bytes) -> None:
    signature = ALICE.sign(sealing._LETTER, BOBS.public + noise)
    with pytest.raises((SealError, DecodeError)):
        read_by_bob(sealed_anew(encode(SignedLetter(body=noise, signature=signature))))


# --- somebody else's


def test_only_the_recipient_reads_it() -> None:
    with pytest.raises(SealError, match="no longer hold"):
        open_letter(LETTER, reader=EVE.public, mail_keys=[EVES], sender=ALICE.public)
    with pytest.raises(SealError, match="no longer hold"):
        open_letter(LETTER, reader=BOB.public, mail_keys=[], sender=ALICE.public)
    with pytest.raises(SealError, match="does not open"):
        read_by_bob(EVES.public[:4] + LETTER[4:], keys=[EVES])


def test_the_registry_cannot_attribute_it_to_somebody_else() -> None:
    with pytest.raises(SealError, match="not signed"):
        read_by_bob(LETTER, sender=EVE.public)


def test_nobody_writes_in_alices_name() -> None:
    forged = seal_letter(body_of(), author=EVE, mail_key=BOBS.public)
    with pytest.raises(SealError, match="not signed"):
        read_by_bob(forged)
    with pytest.raises(SealError, match="another sender"):
        read_by_bob(forged, sender=EVE.public)


def test_a_letter_for_another_reader_is_refused() -> None:
    for_eve = seal_letter(body_of(recipient=EVE.public), author=ALICE, mail_key=BOBS.public)
    with pytest.raises(SealError, match="another sender or reader"):
        read_by_bob(for_eve)


def test_its_reader_cannot_send_it_on_as_if_it_had_been_written_to_them() -> None:
    # Bob takes out what Alice signed for him, and seals it for Eve: the signature is bound to the
    # mail key.
    signed = decode_signed_letter(
        sealing._suite.decrypt(LETTER[4:], BOBS.hpke, info=sealing._LETTER)
    )
    readdressed = sealed_anew(encode(signed), EVES)
    with pytest.raises(SealError, match="not signed"):
        open_letter(readdressed, reader=EVE.public, mail_keys=[EVES], sender=ALICE.public)
    with pytest.raises(
        SealError, match="not signed"
    ):  # nor anew for himself, under another of his keys
        read_by_bob(sealed_anew(encode(signed), BOBS_LAST_WEEK), keys=[BOBS_LAST_WEEK])


def test_a_bad_mail_key_is_refused_before_anything_is_sealed() -> None:
    for key in (b"", bytes(31), bytes(32)):
        with pytest.raises(SealError):
            seal_letter(body_of(), author=ALICE, mail_key=key)


# --- keys of several weeks


class Watched(AgreementKey):
    """A mail key whose end can be seen."""

    __slots__ = ("__weakref__",)


def test_an_erased_key_is_kept_nowhere() -> None:
    key = Watched(BOBS.raw)
    for _ in range(2):
        assert read_by_bob(LETTER, keys=[key]) == body_of()
    made = key.hpke
    assert made is key.hpke  # made once for all letters
    is_held, holders = weakref.ref(key), gc.get_referrers(made)
    assert [one for one in holders if not isinstance(one, Watched | FrameType)] == []
    del holders, key
    assert is_held() is None


@pytest.mark.parametrize("keys", [[BOBS, BOBS_LAST_WEEK], [BOBS_LAST_WEEK, BOBS]])
def test_the_key_of_an_earlier_week_still_opens(keys: list[AgreementKey]) -> None:
    assert read_by_bob(LETTER, keys=keys) == body_of()


class SameHint(AgreementKey):
    """A mail key with the hint of another key; two real keys share a hint once in 2**32."""

    def __init__(self, raw: bytes, like: AgreementKey) -> None:
        super().__init__(raw)
        object.__setattr__(self, "public", like.public[:4] + self.public[4:])


@pytest.mark.parametrize("is_first", [True, False])
def test_two_keys_with_one_hint_are_both_tried(is_first: bool) -> None:
    # The first key with the hint used to be the only one that was tried; the letter then counted as
    # broken.
    other = SameHint(b"\x55" * 32, BOBS)
    assert other.public[:4] == BOBS.public[:4]
    assert other.public != BOBS.public
    keys = [other, BOBS] if is_first else [BOBS, other]
    assert read_by_bob(LETTER, keys=keys) == body_of()
    with pytest.raises(SealError, match="does not open"):
        read_by_bob(LETTER, keys=[other])
