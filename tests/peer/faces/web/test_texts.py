"""The texts of the web desk: the same keys and places in each language, and a text for everything
that can happen."""

import itertools
import re

import pytest

from chatapp.peer.api import visit_events
from chatapp.peer.faces.web.visitors.texts import CATALOGS, TEXTS, language_of
from chatapp.peer.words.catalog import ENGLISH, LANGUAGES, places_in, texts_in

IN_ENGLISH = TEXTS[ENGLISH]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_places(language: str) -> None:
    english, texts = texts_in(ENGLISH, CATALOGS), texts_in(language, CATALOGS)
    assert {key: places_in(text) for key, text in texts.items()} == {
        key: places_in(text) for key, text in english.items()
    }


def test_every_text_is_used() -> None:
    files = [path for kind in ("*.py", "*.html") for path in CATALOGS.parent.rglob(kind)]
    code = "".join(path.read_text("utf-8") for path in files)
    quoted = set(re.findall(r"""["']([a-z_]+\.[a-z_0-9]+)["']""", code))
    begun = tuple(re.findall(r"""f["']([a-z_]+\.[a-z_]*){|["']([a-z_]+\.[a-z_]+)["'] ~""", code))
    begun = tuple(filter(None, itertools.chain(*begun)))
    unused = [
        key
        for key in texts_in(ENGLISH, CATALOGS)
        if key not in quoted and not key.startswith(begun)
    ]
    assert unused == []


def test_hindi_is_hindi() -> None:
    for key, text in texts_in("hi", CATALOGS).items():
        is_word = re.search("[a-z]", re.sub("{[^}]*}", "", text)) is not None
        assert re.search("[\u0900-\u097f]", text) or not is_word or key in _NOT_TRANSLATED, key


_NOT_TRANSLATED = {"language.direction", "transcript.file"}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("hi-IN,hi;q=0.9,en;q=0.8", "hi"),
        ("de-DE,de;q=0.9,hi;q=0.5,en;q=0.4", "hi"),
        ("en;q=0.2,hi;q=0.7", "hi"),
        ("hi;q=0,en", "en"),
        ("hi;q=x", "en"),
        ("de", "en"),
        ("", "en"),
        ("," * 5_000, "en"),
    ],
)
def test_the_browser_names_the_language(accepted: str, language: str) -> None:
    assert language_of(accepted, otherwise="en") == language


def test_every_reason_has_a_text() -> None:
    for cause in visit_events.OverCause:
        assert IN_ENGLISH.end(visit_events.VisitEnded(cause=cause)).endswith(".")
        assert IN_ENGLISH.end(visit_events.EndedUnseen(cause=cause)).endswith(".")
    for reason in visit_events.DeskRefusal:
        assert IN_ENGLISH.end(visit_events.VisitRefused(reason=reason)).startswith("The reason: ")
    for refusal in visit_events.RefusalReason:
        assert "does not let you in: " in IN_ENGLISH.end(
            visit_events.VisitorNotAdmitted(reason=refusal)
        )
    for why in visit_events.SentBackReason:
        assert IN_ENGLISH.note(visit_events.SentBack(why=why, queue="exams"))
    for refused in visit_events.LineRefusal:
        assert IN_ENGLISH.note(visit_events.VisitorLineRefused(reason=refused, text="hi"))
        taking_back = IN_ENGLISH.note(visit_events.VisitorLineRefused(reason=refused, text=""))
        assert taking_back.endswith(".")
        assert "\u201c" not in taking_back
    assert (
        IN_ENGLISH.end(visit_events.VisitEnded(cause=None))
        == "The session has ended while you were away."
    )


def test_places_and_estimates() -> None:
    assert [IN_ENGLISH.ahead(position) for position in (1, 2, 3)] == [
        "You are next.",
        "1 person is ahead of you.",
        "2 people are ahead of you.",
    ]
    estimate = visit_events.Estimate(least=180, most=350)
    assert IN_ENGLISH.estimate(estimate) == "It may take about 3\u20136 minutes."
    assert IN_ENGLISH.estimate(None) == "There is no estimate yet."


def test_what_the_page_shows_in_another_way_needs_no_note() -> None:
    assert IN_ENGLISH.note(visit_events.Described()) == ""
