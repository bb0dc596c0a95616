"""The catalogues of texts: the same keys and places in each language, English where one lacks
something."""

import enum
import re

import pytest

from chatapp.peer.api import visit_events
from chatapp.peer.api.form import FormQuestion, Interview, issue_number
from chatapp.peer.words import formatting
from chatapp.peer.words.catalog import (
    ENGLISH,
    LANGUAGES,
    Catalog,
    catalog_of,
    language_of,
    places_in,
    texts_in,
)
from chatapp.peer.words.visitor import VisitorTexts
from chatapp.registry.rules.desk.settings import DEFAULT_MENU
from chatapp.wire.desk.form import full_name, mobile_number
from chatapp.wire.errors import FormRefused
from tests.support.visits import line_of

IN_ENGLISH = VisitorTexts(catalog_of(ENGLISH))
IN_HINDI = VisitorTexts(catalog_of("hi"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_places(language: str) -> None:
    english, texts = texts_in(ENGLISH), texts_in(language)
    assert texts.keys() == english.keys()
    assert {key: places_in(text) for key, text in texts.items()} == {
        key: places_in(text) for key, text in english.items()
    }


def test_commands_and_brackets_are_the_same_in_every_language() -> None:
    for key, text in texts_in(ENGLISH).items():
        in_hindi = texts_in("hi")[key]
        assert in_hindi.startswith("[") == text.startswith("["), key
        assert in_hindi.endswith("]") == text.endswith("]"), key
        commands = r"(?:^|(?<=[ \[]))[/.]+[a-z]+"
        assert set(re.findall(commands, text)) == set(re.findall(commands, in_hindi)), key


def test_hindi_is_hindi() -> None:
    """Every text has letters of the script, but for those that consist of places alone."""
    for key, text in texts_in("hi").items():
        assert re.search("[\u0900-\u097f]", text) or not re.search(
            "[a-z]", re.sub("{[^}]*}", "", text)
        ), key


def test_what_a_language_lacks_is_english() -> None:
    catalog = Catalog("xx", {"line.wait": "[Moment.]"}, texts_in(ENGLISH))
    assert catalog.text("line.wait") == "[Moment.]"
    assert catalog.text("line.active") == "[You are active.]"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "hi_IN.UTF-8"}, "hi"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "hi_IN"}, "hi"),
        ({"LANG": "hi_IN", "LC_MESSAGES": "en_GB"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": ""}, "en"),
        ({}, "en"),
    ],
)
def test_the_environment_names_the_language(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("over", visit_events.OverCause),
        ("refused", visit_events.DeskRefusal),
        ("line_refused", visit_events.LineRefusal),
        ("turn", visit_events.Turn),
        ("back", visit_events.SentBackReason),
        ("form", FormQuestion),
    ],
)
def test_every_reason_has_a_text(section: str, kind: type[enum.Enum]) -> None:
    assert {f"{section}.{one.name.lower()}" for one in kind} <= texts_in(ENGLISH).keys()


def refusals() -> list[FormRefused]:
    found = []
    for check, typed in (
        (full_name, ""),
        (full_name, "x" * 65),
        (full_name, "R2D2"),
        (full_name, "Brien, O\u2019Hara"),
        (lambda typed: mobile_number(typed, "IN"), "98765"),
        (lambda typed: mobile_number(typed, "IN"), "98765x"),
        (lambda typed: mobile_number(typed, "AQ"), "98765"),
        (lambda typed: issue_number(typed, DEFAULT_MENU), "7"),
    ):
        with pytest.raises(FormRefused) as refused:
            check(typed)
        found.append(refused.value)
    return found


def test_wrong_answers_are_explained_as_the_error_does_and_in_the_other_language() -> None:
    for refused in refusals():
        assert IN_ENGLISH.answer_refused(refused) == f"[{refused}.]"
        assert re.search("[\u0900-\u097f]", IN_HINDI.answer_refused(refused))


def test_the_menu_of_a_registry_without_one_of_its_own_is_translated() -> None:
    menu = (*DEFAULT_MENU[:2], "Sports")
    assert Interview(region="IN", menu=menu).menu == menu
    assert IN_ENGLISH.question_lines(FormQuestion.ISSUE, menu)[1:] == [
        "[1 Depression]",
        "[2 Getting Differentiated by School]",
        "[3 Sports]",
    ]
    assert IN_HINDI.question_lines(FormQuestion.ISSUE, menu)[1:] == [
        "[1 अवसाद (डिप्रेशन)]",
        "[2 स्कूल में भेदभाव]",
        "[3 Sports]",
    ]


def test_all_entries_of_that_menu_are_there() -> None:
    assert set(DEFAULT_MENU) == catalog_of(ENGLISH).translations("menu").keys()


def test_english_says_of_the_server_what_peers_read() -> None:
    key = "84b7 3c1e"
    for event, line in (
        (
            visit_events.RegistryMet(key=key, is_verified=False),
            formatting.key_met(key, is_verified=False),
        ),
        (
            visit_events.RegistryMet(key=key, is_verified=True),
            formatting.key_met(key, is_verified=True),
        ),
        (visit_events.RegistryKeyAccepted(key=key), formatting.key_accepted(key)),
        (
            visit_events.RegistryKeyChanged(expected=key, got="9f2a"),
            formatting.key_changed(key, "9f2a"),
        ),
        (visit_events.ServerAnnounced(text="tea"), formatting.announced("tea")),
        (visit_events.ServerStopCancelled(), formatting.STOP_CANCELLED),
        (
            visit_events.ServerStopPlanned(seconds=120, reason="a new disk"),
            formatting.stop_planned("The help desk closes", 120, "a new disk", " Places are kept."),
        ),
    ):
        assert IN_ENGLISH.lines_of(event) == [line]


def test_hindi_lines() -> None:
    estimate = visit_events.Estimate(least=180, most=350)
    assert IN_HINDI.lines_of(visit_events.PositionAnswered(position=2, estimate=estimate)) == [
        "[प्रतीक्षा कक्ष में आपका नंबर 2 है: आपसे आगे 1, लगभग 3-6 मिनट।]"
    ]
    assert IN_HINDI.lines_of(visit_events.NotYourTurn()) == ["[कृपया अपनी बारी की प्रतीक्षा करें।]"]
    assert IN_HINDI.lines_of(line_of("bob", "नमस्ते", 1)) == ["bob: नमस्ते"]


@pytest.mark.parametrize(
    ("seconds", "text", "line"),
    [
        (0, "", "[Request refused: you are banned from this server.]"),
        (0, "spam\x1b", "[Request refused: you are banned from this server: spam\\x1b.]"),
        (604_793, "spam", "[Request refused: you are banned from this server for 7 days: spam.]"),
        (61, "", "[Request refused: you are banned from this server for 2 minutes.]"),
    ],
)
def test_a_banned_visitor_reads_for_how_long_and_why(seconds: int, text: str, line: str) -> None:
    banned = visit_events.VisitorNotAdmitted(
        reason=visit_events.RefusalReason.BANNED, seconds=seconds, text=text
    )
    assert IN_ENGLISH.lines_of(banned) == [line]
