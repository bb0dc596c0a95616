"""The form: three questions, the error for a wrong answer, and the end after three wrong answers in
a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.form import TRIES, Form, FormQuestion, Interview, issue_number
from chatapp.peer.words.catalog import catalog_of
from chatapp.peer.words.visitor import VisitorTexts
from chatapp.wire.errors import FormRefused
from chatapp.wire.text import sanitize

MENU = ("Depression", "Other")


@given(st.text() | st.integers().map(str))
def test_only_the_numbers_of_the_menu_choose(typed: str) -> None:
    if typed.strip() in ("1", "2", "01", "02", "001", "002", "0001", "0002"):
        assert issue_number(typed, MENU) == int(typed)
    else:
        with pytest.raises(FormRefused, match="from 1 to 2"):
            issue_number(typed, MENU)


def asked(interview: Interview) -> FormQuestion | None:
    return interview.question


def test_an_interview_asks_for_name_number_and_issue() -> None:
    interview = Interview(region="IN", menu=MENU)
    assert asked(interview) is FormQuestion.NAME
    assert interview.answer("  Ana \t María ")
    assert asked(interview) is FormQuestion.NUMBER
    assert interview.answer("98765 43210")
    assert asked(interview) is FormQuestion.ISSUE
    assert VisitorTexts(catalog_of("en")).question_lines(FormQuestion.ISSUE, MENU) == [
        "[What is it about? Type its number:]",
        "[1 Depression]",
        "[2 Other]",
    ]
    assert interview.answer("2")
    assert interview.form == Form(name="Ana María", number="+919876543210", issue=2)
    assert asked(interview) is None


def test_an_interview_starts_again() -> None:
    interview = Interview(region="IN", menu=MENU)
    assert interview.answer("Ana")
    for _ in range(TRIES - 1):
        assert not interview.answer("98765")
    interview.begin_anew()
    assert asked(interview) is FormQuestion.NAME
    assert interview.answer("Ben")
    assert not interview.answer("98765")
    assert not interview.is_void


def test_three_wrong_answers_to_one_question_make_the_request_void() -> None:
    interview = Interview(region="IN", menu=MENU)
    assert not interview.answer("R2D2")
    assert not interview.answer("")
    assert interview.answer("Ana")  # what was wrong before a right answer counts no more
    for number in range(TRIES):
        assert not interview.is_void
        assert not interview.answer(f"12{number}")
        assert "10 digits" in str(interview.refusal)
    assert interview.is_void
    assert asked(interview) is None
    assert interview.form is None


@given(st.lists(st.text() | st.sampled_from(["Ana", "9876543210", "1"]), max_size=12))
def test_any_answers_end_in_a_form_a_void_request_or_a_question(answers: list[str]) -> None:
    interview = Interview(region="IN", menu=MENU)
    for typed in answers:
        if interview.question is None:
            break
        was_good = interview.answer(typed)
        assert was_good is (interview.refusal is None)
        assert sanitize(str(interview.refusal)) == str(interview.refusal)
    assert [interview.question is not None, interview.is_void, interview.form is not None].count(
        True
    ) == 1
