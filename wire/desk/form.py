"""The rules of the visitor's form, which both ends apply: the visitor's program to say what is
wrong, the registry because a stranger may send anything."""

import re
import unicodedata
from typing import Final

from chatapp.wire.errors import FormRefused
from chatapp.wire.limits import DESK_FORM_NAME_MAX

_NUMBER_TYPED_MAX: Final = 64
"""Characters of a number as typed, with blanks, brackets and dashes."""

_NUMBER: Final = re.compile(r"[( ]*\+?[0-9 \t().-]*")
"""A number as people write it. The library would also accept signs that elsewhere mean an
extension, or nothing."""

_JOINTS: Final = "'-."
"""Signs that join or shorten the parts of a name: O'Brien, Anne-Marie, J. Rao."""

_SPELLINGS: Final = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u02bc`´", "'"), **dict.fromkeys("\u2010\u2011\u2013", "-")}
)
"""Characters that people type for them."""

_NOT_OF_A_NAME: Final = str.maketrans(dict.fromkeys(",·", " "))
"""Characters that stand between the parts of many names: the error suggests the name without
them."""


def full_name(text: str) -> str:
    """Return a person's name in canonical form: letters (with their marks), ' - . and single
    blanks, and a letter in each part. Raises FormRefused."""
    name = unicodedata.normalize("NFC", " ".join(text.translate(_SPELLINGS).split()))
    if not name:
        raise FormRefused("name", text, "is empty: type letters and spaces", fault="name_empty")
    if len(name) > DESK_FORM_NAME_MAX:
        reason = f"has more than {DESK_FORM_NAME_MAX} characters"
        raise FormRefused("name", text, reason, fault="name_long", most=DESK_FORM_NAME_MAX)
    if not _is_name(name):
        plain = " ".join(name.translate(_NOT_OF_A_NAME).split())
        reason = "may contain only letters, spaces and . ' -"
        if not _is_name(plain):
            raise FormRefused("name", text, reason, fault="name_signs")
        advised = f'{reason}: please write "{plain}"'
        raise FormRefused("name", text, advised, fault="name_spelling", spelling=plain)
    return name


def mobile_number(text: str, region: str) -> str:
    """Return a mobile number of `region` (or of any, with its country code) as `+919876543210`.
    Raises FormRefused."""
    # Deferred: the import is slow, and most programs never need it.
    import phonenumbers

    typed = text.strip()
    example = _example(region)
    shown = _shown(example)
    wrong = FormRefused(
        "number", text, f"is not a mobile number ({shown})", fault="number_wrong", **example
    )
    if len(typed) > _NUMBER_TYPED_MAX:
        raise wrong
    if not _NUMBER.fullmatch(typed):
        signs = "it may contain only digits, spaces and + - ( ) ."
        why = f"is not a mobile number: {signs} ({shown})"
        raise FormRefused("number", text, why, fault="number_signs", **example)
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        raise wrong from None
    kind = phonenumbers.PhoneNumberType.MOBILE
    reason = phonenumbers.is_possible_number_for_type_with_reason(number, kind)
    if number.extension or reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise wrong
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def example_number(region: str) -> str:
    """Return a mobile number of `region` as people there dial it; empty if none is known."""
    return str(_example(region).get("number", ""))


def is_region(text: str) -> bool:
    """Whether `text` is a region whose numbers are known, such as `IN`."""
    import phonenumbers

    return text in phonenumbers.SUPPORTED_REGIONS


def folded_name(name: str) -> str:
    """Return what names are compared by, however their parts are joined: their letters, in one
    case."""
    return "".join(filter(_is_letter, unicodedata.normalize("NFC", name))).casefold()


def _is_name(name: str) -> bool:
    has_letters = all(any(map(str.isalpha, part)) for part in name.split(" "))
    return has_letters and all(
        _is_letter(character) or character in f" {_JOINTS}" for character in name
    )


def _is_letter(character: str) -> bool:
    """Whether this is a letter, or a mark of one."""
    return unicodedata.category(character)[0] in "LM"


def _example(region: str) -> dict[str, object]:
    """Return the region, the digits of a number and an example; nothing if none is known."""
    import phonenumbers

    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return {}
    number = phonenumbers.national_significant_number(example)
    return {"region": region, "digits": len(number), "number": number}


def _shown(example: dict[str, object]) -> str:
    if not example:
        return "with the country code: +..."
    return f"{example['region']}: {example['digits']} digits such as {example['number']}"
