"""Names: validity, equality and look-alikes, and file names made from them."""

import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from precis_i18n import get_profile

from chatapp.wire.errors import NameRefused
from chatapp.wire.names import (
    NAME_MAX,
    OURS,
    PeerName,
    file_name_of,
    is_same_name,
    looks_of,
    name_key,
    peer_name,
    person_name,
    skeleton,
)
from chatapp.wire.text import sanitize

PLAIN = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=NAME_MAX)
LETTERS = st.characters(categories=["Lu", "Ll", "Lo", "Lm", "Mn", "Mc", "Nd"])
WORDS = st.text(alphabet=LETTERS | st.sampled_from("aeО-_1ё"), min_size=1, max_size=NAME_MAX)
ANYTHING = st.text(alphabet=st.characters(exclude_categories=[]), max_size=40)


def is_name(text: str) -> bool:
    try:
        peer_name(text)
    except NameRefused:
        return False
    return True


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("bob", "BOB", True),
        ("José", "jose\u0301", True),
        ("bob", "rob", False),
        ("two words", "two words", True),
        ("two words", "TWO WORDS", False),
        ("", "", True),
    ],
)
def test_two_spellings_of_one_name(one: str, other: str, is_same: bool) -> None:
    assert is_same_name(one, other) is is_same_name(other, one) is is_same


@given(ANYTHING | WORDS | PLAIN)
def test_any_text_is_a_name_by_the_rules_or_is_refused_in_one_line(text: str) -> None:
    try:
        name = peer_name(text)
    except NameRefused as refusal:
        assert sanitize(str(refusal)) == str(refusal)
        assert refusal.name == text
        return
    assert 1 <= len(name) <= NAME_MAX
    assert peer_name(name) == name
    assert name.isprintable()
    for character in name:
        assert (
            character in "_-" or unicodedata.category(character)[0] in "LM" or character.isdecimal()
        )


@given(WORDS | PLAIN)
def test_a_key_is_a_name_and_its_own_key(text: str) -> None:
    assume(is_name(text))
    key = name_key(peer_name(text))
    assert name_key(key) == key == peer_name(key)
    assert name_key(text) == key


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *((word, word) for word in OURS),
        *((word.upper(), word) for word in OURS),
        ("Y0u", "you"),
        ("AII", "all"),
        ("systern", "system"),
        ("\u043eperator", "operator"),
        ("\uff41ll", "all"),
    ],
)
def test_no_person_is_called_as_the_faces_call_something_else(text: str, word: str) -> None:
    with pytest.raises(NameRefused, match=f'"{word}"|the server itself') as refusal:
        person_name(text)
    assert refusal.value.name == text


@given(PLAIN)
def test_a_person_may_have_any_name_that_looks_like_none_of_these(text: str) -> None:
    ours = {look for word in OURS for look in looks_of(word)}
    assume(is_name(text) and ours.isdisjoint(looks_of(text)))
    assert person_name(text) == text


def test_a_room_may_have_such_a_name() -> None:
    assert peer_name("all") == "all"


@given(PLAIN)
def test_plain_names_take_a_short_way_that_says_what_precis_says(text: str) -> None:
    assert peer_name(text) == get_profile("UsernameCasePreserved").enforce(text)
    assert name_key(text) == get_profile("UsernameCaseMapped").enforce(text)


@pytest.mark.parametrize(
    "text", ["bob", "Bob_2", "-", "O-o", "Łukasz", "боб", "हिन्दी", "ไทย", "שלום", "李雷", "x" * 32]
)
def test_names_stay_as_typed(text: str) -> None:
    assert peer_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "bob\n",
            "\nbob",
            "a b",
            "a,b",
            "a|b",
            "a/b",
            "../x",
            ".",
            "a.b",
            "a:b",
            "@bob",
            "a\x00",
        ),
        *(
            "a\x1b",
            "a\u200db",
            "a\u202eb",
            "a\ud800",
            "\u0301a",
            "1\u0301",
            "a" + "\u0323" * 5,
            "é" + "\u0323" * 4,
            "e" + "\u0301\u0323\u0308\u0304\u0306",
            "😀",
            "½",
            "²",
        ),
        *(
            "x" * 33,
            "x" * 10_000,
            "й" * 10_000,
            "é" * 33,
            "שa",
            "ㅤ",
            "\u115f",
            "server",
            "SERVER",
            "ſerver",
        ),
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        peer_name(text)
    assert is_name(text) is False


def test_a_name_is_found_in_any_case_and_composition() -> None:
    assert name_key("Bob") == name_key("BOB") == "bob"
    assert name_key("Е\u0308ж") == name_key("ёЖ")
    assert peer_name("ｂｏｂ") == "bob"
    assert peer_name("e\u0301") == "é"


@pytest.mark.parametrize("text", ["bob\n", "a b", "b@b", "\u200d", ""])
def test_only_names_have_a_key(text: str) -> None:
    with pytest.raises(NameRefused):
        name_key(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(
            ("paypal", "раураl"),
            ("alice", "аlісе"),
            ("BOB", "ВОВ"),
            ("bob", "ВОВ"),
            ("admin", "αdmin"),
        ),
        *(
            ("Ian", "Іan"),
            ("ian", "іаn"),
            ("tim", "tım"),
            ("usero", "userо"),
            ("user0", "user०"),
            ("cop", "сор"),
        ),
        ("Bob", "bOB"),
        *(
            ("alice", "aIice"),
            ("alice", "a1ice"),
            ("Mary", "rnary"),
            ("mary", "rnаry"),
            ("BMW", "brnw"),
        ),
        *(
            ("aIice", "аІісе"),
            ("user1", "userl"),
            ("user0", "usero"),
            ("БОБ", "бoб"),
            ("Ian", "lan"),
        ),
    ],
)
def test_names_that_look_alike_share_a_look(one: str, other: str) -> None:
    assert looks_of(peer_name(one)) & looks_of(peer_name(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("user1", "user2"),
        ("ali", "all"),
        ("kai", "kal"),
        ("vv", "w"),
        ("bob", "bob_"),
        ("é", "e"),
    ],
)
def test_honest_neighbours_do_not_collide(one: str, other: str) -> None:
    assert not looks_of(one) & looks_of(other)


@given(PLAIN, PLAIN)
def test_plain_names_look_alike_by_few_signs_only(one: str, other: str) -> None:
    def bare(name: str) -> str:
        return re.sub("[il1]", "l", re.sub("[o0]", "o", name_key(name).replace("rn", "m")))

    is_alike = bool(looks_of(one) & looks_of(other))
    if name_key(one) == name_key(other):
        assert is_alike
    if is_alike:
        assert bare(one) == bare(other)


@given(WORDS)
def test_the_same_name_looks_the_same_however_it_is_composed(text: str) -> None:
    assume(is_name(text))
    name = peer_name(text)
    assert skeleton(skeleton(name)) == skeleton(name)
    assert skeleton(unicodedata.normalize("NFD", name)) == skeleton(name)


def test_every_letter_has_a_skeleton_that_is_its_own() -> None:
    for code in range(0x110000):
        if unicodedata.category(chr(code))[0] in "LN":
            assert skeleton(skeleton(chr(code))) == skeleton(chr(code))


@given(*[st.text(alphabet=st.characters(exclude_categories=[]), max_size=NAME_MAX) | PLAIN] * 2)
def test_file_names_are_injective_and_stay_in_their_folder(one: str, other: str) -> None:
    for made in (file_name_of(one), file_name_of(other)):
        assert re.fullmatch(r"[nx]-[a-z0-9_-]*", made)
        assert len(made) <= 207
    assert (file_name_of(one) == file_name_of(other)) == (one == other)


def test_file_names_of_reserved_hidden_and_cased_names() -> None:
    names = ["con", "CON", "nul", "-rf", "bob", "Bob", "BOB", "..", "a/b", "c:", ""]
    made = {file_name_of(name).casefold() for name in names}
    assert len(made) == len(names)
    assert file_name_of("bob") == "n-bob"
    with pytest.raises(ValueError, match="no name"):
        file_name_of("x" * 33)


def test_a_name_is_a_string() -> None:
    name: PeerName = peer_name("bob")
    assert isinstance(name, str)
