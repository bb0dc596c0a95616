"""Each sentence of `docs/explanation/security.md` has a test that shows it, or says that it has none."""

import pytest

from tests.guard import security
from tests.guard.security import Claim, Shown, claims, faults

HERE = "tests/guard/test_security.py::test_every_sentence_has_its_tests_or_says_that_it_has_none"


def test_every_sentence_has_its_tests_or_says_that_it_has_none() -> None:
    found = list(
        faults(claims(security.DOCUMENT.read_text(encoding="utf-8")), security.read_list())
    )
    assert not found, "\n".join(found)


def test_few_sentences_promise_nothing() -> None:
    words = [shown for section in security.read_list().values() for shown in section.values()]
    assert words.count(security.READER) * 10 < len(words)


def test_sentences_bullets_and_cells_are_claims() -> None:
    document = """# Page

It says *this*. `that` too,
see (4.3). (Not that.)

- **One.** Two
- three.

| he can | cannot |
|---|---|
| do a. Do b | do c |
| do d | |

| | by |
|---|---|
| x | y |
"""
    assert claims(document) == [
        Claim("Page", "It says this.", is_denial=False),
        Claim("Page", "that too, see (4.3). (Not that.)", is_denial=False),
        Claim("Page", "One.", is_denial=False),
        Claim("Page", "Two", is_denial=False),
        Claim("Page", "three.", is_denial=False),
        Claim("Page", "do a.", is_denial=False),
        Claim("Page", "Do b", is_denial=False),
        Claim("Page", "do c", is_denial=True),
        Claim("Page", "do d", is_denial=False),
        Claim("Page", "x | y", is_denial=False),
    ]


CELL = "# P\n\n| can | cannot |\n|---|---|\n| take it | keep it |\n"


@pytest.mark.parametrize(
    ("document", "listed", "fault"),
    [
        ("# P\n\nA is so.", {}, 'no test for "A is so." in "P"'),
        ("# P\n\nA is so.", {"B": [HERE]}, 'no sentence begins so in "P" of security.md: "B"'),
        ("# P\n\nA is so. A is not.", {"A is": [HERE]}, 'several sentences begin so in "P"'),
        ("# P\n\nA is so.", {"A": []}, "no test is named"),
        ("# P\n\nA is so.", {"A": [HERE + "_"]}, f"there is no test {HERE}_"),
        (
            "# P\n\nA is so.",
            {"A": ["tests/guard/test_none.py"]},
            "there is no test tests/guard/test_none.py",
        ),
        (
            "# P\n\nA is so.",
            {"A": ["tests/guard/security.py"]},
            "there is no test tests/guard/security.py",
        ),
        ("# P\n\nA is so.", {"A": "obvious"}, '"obvious" is neither'),
        ("# P\n\nA is so.", {"A": [HERE], "A is": [HERE]}, '"A is so." has several lines'),
        (
            "# P\n\nA is so (not tested).",
            {"A": [HERE]},
            '"A is so (not tested)." says (not tested), and',
        ),
        ("# P\n\nA. B.", {"B": [HERE], "A": [HERE]}, '"A." stands too late'),
        (CELL, {"take": "admitted", "keep": "admitted"}, '"keep": what somebody cannot do'),
    ],
)
def test_what_does_not_fit_is_named(document: str, listed: dict[str, Shown], fault: str) -> None:
    assert any(
        line.startswith(fault) or fault in line for line in faults(claims(document), {"P": listed})
    )


def test_a_section_that_is_gone_is_named() -> None:
    assert list(faults(claims("# P"), {"Q": {}})) == ['security.md has no section "Q"']


def test_what_fits_has_no_fault() -> None:
    document = "# P\n\nA is so. B is so (not tested). C advises.\n\n" + CELL.partition("\n\n")[2]
    listed: dict[str, Shown] = {
        "A": [HERE, "tests/guard/test_security.py"],
        "C": "reader",
        "take": "admitted",
        "keep": [HERE],
    }
    assert list(faults(claims(document), {"P": listed})) == []


def test_the_tests_of_a_class_and_a_state_machine_are_tests() -> None:
    assert security.is_test(
        "tests/registry/rules/people/test_presence.py::TestReports::test_a_reporter_has_a_bucket"
    )
    assert security.is_test("tests/simulation/test_rules.py::TestWorlds")
