"""Names of people: validation, comparison, look-alikes, and the file name for a name.

A name is kept and shown as typed ("Bob"), compared by its key ("bob"), and refused if it looks like
a name that is taken (by its skeleton). The rules follow PRECIS (RFC 8265).
"""

import base64
import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NewType

from chatapp.wire.errors import NameRefused

if TYPE_CHECKING:
    from precis_i18n.profile import Profile

PeerName = NewType("PeerName", str)
"""A name that `peer_name` has accepted."""

NAME_MAX: Final = 32
"""Characters of a name. As UTF-8 it has at most four times as many bytes."""

RESERVED: Final = frozenset({"server"})
"""Keys that neither a person nor a room may have: `server:` begins a command."""

OURS: Final = ("server", "registry", "system", "operator", "everybody", "all", "you")
"""What the faces call the registry, the user and everybody: a person with such a name would be
taken for one of them."""

_TYPED_MAX: Final = 4 * NAME_MAX
"""Characters accepted before composition (NFC), which joins at most three into one: a cap before
any work."""

_MARKS_MAX: Final = 4
"""Marks on one letter, counting those composed with it. Every living script needs fewer; a stack of
thirty would paint over the lines above and below."""

_PLAIN_ALIKE: Final = str.maketrans("I10", "llo")
"""ASCII characters that look like others; `m` looks like the two letters `rn`."""

_KEYS_REMEMBERED: Final = 4_096
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_PLAIN_FILE_NAME: Final = re.compile(r"[a-z0-9_-]{1,32}\Z")
_TOO_LONG: Final = f"it has more than {NAME_MAX} characters"
_DIRECTIONS: Final = "its writing directions do not fit together"
_MARKED: Final = "a mark needs a letter before it, and a letter has at most four"
_ALLOWED: Final = "only letters, digits, _ and - are allowed"


def peer_name(text: str) -> PeerName:
    """Return `text` as a name: 1-32 letters with their marks, decimal digits, `_` and `-` (PRECIS
    UsernameCasePreserved).

    Full-width forms become plain ones and letters are composed (NFC). Raises NameRefused with a
    one-line reason.
    """
    if _PLAIN.match(text):
        name, key = text, text.lower()
    else:
        name, key = (
            _by_precis(text, "UsernameCasePreserved"),
            _by_precis(text, "UsernameCaseMapped"),
        )
    if key in RESERVED:
        raise NameRefused(text, "it is kept for the server itself")
    return PeerName(name)


def person_name(text: str) -> PeerName:
    """Return `text` as a person's name: any name but those that look like one of `OURS`. Raises
    NameRefused."""
    name = peer_name(text)
    looks = looks_of(name)
    word = next((word for word in OURS if not looks.isdisjoint(_looks_of_ours(word))), None)
    if word is not None:
        raise NameRefused(text, f'it looks like "{word}", a word that ChatApp keeps for itself')
    return name


@cache
def _looks_of_ours(word: str) -> frozenset[str]:
    return looks_of(word)


@lru_cache(maxsize=_KEYS_REMEMBERED)
def name_key(name: str) -> str:
    """Return the key by which names are compared: two names with one key are the same name (PRECIS
    UsernameCaseMapped).

    A key is itself a name, and its own key. Raises NameRefused for text that is not a name.
    """
    if _PLAIN.match(name):
        return name.lower()
    return _by_precis(name, "UsernameCaseMapped")


def is_same_name(one: str, other: str) -> bool:
    """Whether two spellings are the same name. Text that is not a name equals only itself."""
    try:
        return one == other or name_key(one) == name_key(other)
    except NameRefused:
        return False


def _by_precis(text: str, profile: str) -> str:
    """Apply the PRECIS profile, within our own narrower rules."""
    if not text:
        raise NameRefused(text, "it is empty")
    if len(text) > _TYPED_MAX:
        raise NameRefused(text, _TOO_LONG)
    try:
        made = str(_profile(profile).enforce(text))
    except UnicodeEncodeError as refusal:
        directions = "bidi" in refusal.reason
        raise NameRefused(text, _DIRECTIONS if directions else _ALLOWED) from None
    if len(made) > NAME_MAX:
        raise NameRefused(text, _TOO_LONG)
    _check_characters(text, made)
    return made


def _check_characters(text: str, made: str) -> None:
    """Check what PRECIS leaves open: it allows all of ASCII's punctuation and any mark anywhere."""
    marks = _MARKS_MAX  # at the limit, so that no mark can come first
    for character in unicodedata.normalize("NFD", made):
        category = unicodedata.category(character)
        if category[0] == "M":
            marks += 1
            if marks > _MARKS_MAX:
                raise NameRefused(text, _MARKED)
        elif category[0] == "L":
            marks = 0
        elif category == "Nd" or character in "_-":
            marks = _MARKS_MAX
        else:
            raise NameRefused(text, _ALLOWED)


@cache
def _profile(name: str) -> "Profile":
    from precis_i18n import (
        get_profile,  # deferred: most names are plain, and a peer has to start fast
    )

    return get_profile(name)


def looks_of(name: str) -> frozenset[str]:
    """Return what `name` looks like, as typed and as its key: two names that share one of these
    look alike.

    So "aIice" is refused beside "alice" and "rnary" beside "Mary". The price: of names that differ
    only in such characters, like "user1" and "userl" or "Lan" and "Ian", only one can be taken.
    Raises NameRefused for text that is not a name.
    """
    key = name_key(name)
    look = skeleton(name)
    return frozenset((look,)) if key == name else frozenset((look, skeleton(key)))


def skeleton(name: str) -> str:
    """Return what `name` looks like in its present spelling, in lower case: after UTS 39, section
    4."""
    if name.isascii():
        return name.translate(_PLAIN_ALIKE).casefold().replace("m", "rn")
    seen, made = "", name
    for _ in range(4):  # folding may produce another look-alike; it happens twice at most
        if made == seen:
            break
        seen = made
        if not made.isascii():
            made = unicodedata.normalize("NFD", made).translate(_prototypes())
        made = made.translate(_PLAIN_ALIKE).casefold().replace("m", "rn")
    return made


@cache
def _prototypes() -> dict[int, str]:
    """Return the ASCII or canonical look-alike of each non-ASCII character that has one.

    The library holds the Unicode table in both directions at once, as a set of stars: a prototype
    with the characters that look like it around it. If a star contains exactly one ASCII character,
    that one becomes the prototype here.
    """
    # Deferred: it takes 50 ms, and only registries need it.
    from confusable_homoglyphs.confusables import confusables_data

    table: dict[int, str] = {}
    for centre, entries in confusables_data.items():
        leaves = [_bare(entry["c"]) for entry in entries]
        if len(leaves) == 1 and len(confusables_data[entries[0]["c"]]) > 1:
            continue  # a leaf: handled at its own centre
        prototype = _prototype(_bare(centre), leaves)
        alike = (leaf for leaf in (_bare(centre), *leaves) if len(leaf) == 1 and leaf != prototype)
        table |= {ord(leaf): prototype for leaf in alike}
    return {code: to for code, to in table.items() if code > 0x7F}


def _bare(listed: str) -> str:
    return listed.strip(
        "\u200e"
    )  # a left-to-right mark, listed beside characters that are written from right to left


def _prototype(centre: str, leaves: list[str]) -> str:
    plain = [leaf for leaf in leaves if leaf.isascii() and len(leaf) == 1]
    if plain and not (centre.isascii() and len(centre) == 1):
        return plain[0]
    if len(leaves) == 1 and not centre.isascii() and len(leaves[0]) == len(centre) == 1:
        return min(
            centre, leaves[0]
        )  # a pair is listed both ways round: either will do, as long as it is always the same
    return centre


def file_name_of(name: str) -> str:
    """Return `name` as one path component, different for every name even where a file system
    ignores case.

    Plain lower-case names stay readable behind a prefix, which also keeps them from being `-x`,
    `con` or hidden; others are written in base32. At most 207 characters of a-z, 0-9, `_` and `-`.
    Raises ValueError for text longer than a name can be.
    """
    if _PLAIN_FILE_NAME.match(name):
        return f"n-{name}"
    if len(name) > NAME_MAX:
        raise ValueError(f"{len(name)} characters are no name")
    encoded = base64.b32encode(name.encode("utf-8", "surrogatepass")).decode("ascii")
    return f"x-{encoded.rstrip('=').lower()}"
