"""The form of the help desk: what is a full name, and what is a mobile number in some region.

Both sides judge by it: the visitor's program to say what is wrong, the registry because a stranger may send anything.
"""

import re
import unicodedata
from typing import Final

from chatapp.wire.errors import FormRefused
from chatapp.wire.limits import DESK_FORM_NAME_MAX

_NUMBER_TYPED_MAX: Final = 64
"""Characters of a number as typed: with blanks, brackets and dashes."""

_NUMBER: Final = re.compile(r"[( ]*\+?[0-9 \t().-]*")
"""As people write one. The library would read past signs that mean an extension, or nothing, elsewhere."""

_JOINTS: Final = str.maketrans(dict.fromkeys("'\u2018\u2019\u02bc`´-\u2010\u2011\u2013.,·", " "))
"""What joins the parts of many names, and is no letter: who writes it is told how it can be written here."""


def full_name(text: str) -> str:
    """A person's name in its one right form: letters (with their marks) and single blanks. Raises FormRefused."""
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise FormRefused("name", text, "is empty: letters and blanks are asked for")
    if len(name) > DESK_FORM_NAME_MAX:
        raise FormRefused("name", text, f"has more than {DESK_FORM_NAME_MAX} characters")
    if not _is_name(name):
        plain = " ".join(name.translate(_JOINTS).split())
        advice = f': please write "{plain}"' if _is_name(plain) else ""
        raise FormRefused("name", text, f"has something else than letters and blanks{advice}")
    return name


def mobile_number(text: str, region: str) -> str:
    """A mobile number of `region` (or of any, with its country code) as `+919876543210`. Raises FormRefused."""
    # Not at the top: it takes a moment, and most programs never ask.
    import phonenumbers

    typed = text.strip()
    wrong = FormRefused("number", text, f"is not a mobile number ({_example(region)})")
    if len(typed) > _NUMBER_TYPED_MAX:
        raise wrong
    if not _NUMBER.fullmatch(typed):
        signs = "only digits, blanks and + - ( ) . stand in one"
        raise FormRefused("number", text, f"is not a mobile number: {signs} ({_example(region)})")
    try:
        number = phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        raise wrong from None
    kind = phonenumbers.PhoneNumberType.MOBILE
    reason = phonenumbers.is_possible_number_for_type_with_reason(number, kind)
    if number.extension or reason != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise wrong
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def is_region(text: str) -> bool:
    """Whether `text` is a region whose numbers are known, such as `IN`."""
    import phonenumbers

    return text in phonenumbers.SUPPORTED_REGIONS


def _is_name(name: str) -> bool:
    return all(map(_is_of_a_name, name)) and any(map(str.isalpha, name))


def _is_of_a_name(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] in "LM"


def _example(region: str) -> str:
    import phonenumbers

    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return "with the country code: +..."
    digits = phonenumbers.national_significant_number(example)
    return f"{region}: {len(digits)} digits such as {digits}"
