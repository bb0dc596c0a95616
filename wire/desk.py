"""The rules of the help desk that both of its ends apply: the visitor's form, and the visitor whom
an operator means.

The visitor's program checks the form to say what is wrong, the registry because a stranger may send
anything. `Focus` and `ShownRoom` serve both faces of an operator, the peer and the registry's own
terminal. A person goes on typing for a moment after the visitor has changed, so what is entered
within `HOLD_BACK_FOR` of a change that the operator did not ask for is held back.
"""

import enum
import re
import unicodedata
from typing import Final, NamedTuple

from chatapp.wire.errors import FormRefused
from chatapp.wire.limits import DESK_FORM_NAME_MAX, DESK_PAST_SHOWN_MAX
from chatapp.wire.messages.desk import (
    ClientAssigned,
    ClientChange,
    ClientChanged,
    RoomShown,
    RoomVisitor,
    ShowPast,
)

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
    return has_letters and all(_is_letter(one) or one in f" {_JOINTS}" for one in name)


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


HOLD_BACK_FOR: Final = 2.0
"""Seconds that a person needs to notice a new visitor and to stop typing for the previous one."""

STILL_SERVED: Final = frozenset({ClientChange.AWAY, ClientChange.BACK, ClientChange.SILENT})
"""Changes after which the operator still serves the visitor."""
_ASKED: Final = frozenset(
    {ClientChange.ENDED, ClientChange.GIVEN, ClientChange.HELD, ClientChange.TRANSFERRED}
)
"""Ends of a session that the operator asked for."""
_NEVER: Final = float("-inf")


class Client(NamedTuple):
    """A visitor whom the operator serves or served."""

    visit: int
    name: str


def past_asked(typed: str) -> ShowPast | None:
    """Return the request of `.past [n or name]`; None for a number or a name that cannot be."""
    typed = " ".join(typed.split())
    if not typed:
        return ShowPast(0, "", 0)
    if typed.isascii() and typed.isdigit():
        count = int(typed[:4])
        return ShowPast(0, "", count) if 1 <= count <= DESK_PAST_SHOWN_MAX else None
    try:
        return ShowPast(0, full_name(typed), 0)
    except FormRefused:
        return None


class Typed(enum.Enum):
    """The kind of line that an operator typed."""

    LINE = "text for the visitor"
    MAYBE_LINE = "text for the visitor that would mean something else if nobody were served: a command, a line for a room"
    COMMAND = "a command about the visitor"


class Held(NamedTuple):
    """A typed line that is not carried out, because it may have been meant for another visitor."""

    former: Client | None
    """The visitor for whom it may have been meant; None if nobody was served."""
    change: ClientChange | None
    """What happened to that visitor, if known."""
    client: Client | None
    """The visitor who is served now."""


class Focus:
    """The visitor whom an operator serves, as far as the operator has been shown.

    Each notice is passed in when the operator is shown it.
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self._came_at = _NEVER
        """When the operator was shown that visitor, unless a command of the operator brought the
        visitor."""
        self._gone: tuple[Client, ClientChange | None] | None = None
        """The visitor served last, and how that session ended."""
        self._gone_until = _NEVER
        """Lines entered before this time may be meant for that visitor."""
        self._is_end_clear = False
        """Whether the session may be ended without a question: the visitor has spoken, or the
        operator was asked once."""

    # --- what the operator is shown

    def came(self, told: ClientAssigned, *, now: float) -> None:
        """Note that the operator is shown whom they serve now."""
        if self.client is not None and self.client.visit == told.visit:
            return
        self.lost(ClientChange.TAKEN_BACK, now=now)
        self.client, self._is_end_clear = Client(told.visit, told.name), False
        if told.is_asked:
            self._settle()
            return
        self._came_at = now
        if now < self._gone_until:
            self._gone_until = now + HOLD_BACK_FOR

    def changed(self, changed: ClientChanged, *, now: float) -> None:
        """Note that the operator is shown what happened to a visitor."""
        is_served = self.client is not None and self.client.visit == changed.visit
        if is_served and changed.change not in STILL_SERVED:
            self.lost(changed.change, now=now)

    def heard(self, visit: int) -> None:
        """Note that the operator is shown a line of this visit's visitor."""
        if self.client is not None and self.client.visit == visit:
            self._is_end_clear = True

    def lost(self, change: ClientChange | None, *, now: float) -> None:
        """Note that the operator is shown that they no longer serve the visitor; `change` says why,
        if known."""
        if self.client is None:
            return
        self._gone, self.client = (self.client, change), None
        if change in _ASKED:
            self._settle()
        else:
            self._gone_until = now + HOLD_BACK_FOR

    def _settle(self) -> None:
        """Hold nothing back: the operator knows whom they serve."""
        self._came_at = self._gone_until = _NEVER

    # --- what the operator types

    def takes_lines(self, *, entered_at: float) -> bool:
        """Whether text that is not a command is for a visitor: the present one, or one who left a
        moment ago."""
        return self.client is not None or entered_at < self._gone_until

    def meant(self, typed: Typed, *, entered_at: float) -> Client | Held | None:
        """Return the visitor meant by a line that was entered at this time; None when nobody is
        served."""
        # A command about nobody does no harm, and has its own answer.
        is_about = self.client is not None or typed is not Typed.COMMAND
        if is_about and self._gone is not None and entered_at < self._gone_until:
            return Held(*self._gone, self.client)
        if self.client is None:
            return None
        noticed_at = self._came_at + (HOLD_BACK_FOR if typed is Typed.MAYBE_LINE else 0.0)
        if entered_at < noticed_at:
            return Held(None, None, self.client)
        self._settle()  # the operator addresses this visitor, so has noticed who it is
        return self.client

    def doubts_end(self) -> Client | None:
        """Return the visitor who is served and has said nothing, once: the operator is asked before
        the session ends."""
        if self._is_end_clear:
            return None
        self._is_end_clear = True
        return self.client

    def missed(self, visit: int) -> Held:
        """Return what to report of a request that was refused because the operator no longer served
        this visit."""
        if self._gone is not None and self._gone[0].visit == visit:
            return Held(*self._gone, self.client)
        return Held(None, None, self.client)


class StaleNumber(NamedTuple):
    """A number that meant one visitor in the list that was shown, and means another one after the
    operator's own commands. Both fields are names."""

    was: str
    is_now: str


NOT_SHOWN: Final = Client(0, "")
"""The visitor who has a number at the registry, if the operator was not shown who that is."""


class ShownRoom:
    """The waiting room as it was last shown to an operator, whose numbers refer to it."""

    def __init__(self) -> None:
        self._shown: list[RoomVisitor] = []
        self._moved: list[RoomVisitor] = []
        """The same line after the operator's own `.drop` and `.move`."""
        self._total: int | None = None
        """How many waited; None until a room is shown."""

    def shown(self, room: RoomShown) -> None:
        """Note the waiting room that the operator is shown."""
        self._shown, self._moved, self._total = list(room.waiting), list(room.waiting), room.total

    def at(self, position: int) -> Client | StaleNumber | None:
        """Return the visitor who has this number, from 1: `NOT_SHOWN` if the operator has not seen
        that part of the line; None if nobody has it."""
        if self._total is None or len(self._shown) < position <= self._total:
            return NOT_SHOWN
        if not 1 <= position <= len(self._shown):
            return None
        was = self._shown[position - 1]
        now = self._moved[position - 1] if position <= len(self._moved) else was
        return (
            Client(was.visit, was.name)
            if now.visit == was.visit
            else StaleNumber(was.name, now.name)
        )

    def dropped(self, visit: int) -> None:
        """Note that the operator has dropped this visitor from the line."""
        self._moved = [one for one in self._moved if one.visit != visit]

    def moved(self, visit: int, to: int) -> None:
        """Note that the operator has moved this visitor to another number."""
        found = [one for one in self._moved if one.visit == visit]
        self.dropped(visit)
        self._moved[to - 1 : to - 1] = found
