"""Fuzzy choice: what people mean by a few letters comes first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.view.finding import fit


@pytest.mark.parametrize(
    ("typed", "order"),
    [
        ("lab", ["lab", "lab-2", "labyrinth", "syllabus", "lovely-crab"]),
        ("ph", ["phone", "physics", "graph", "alpha-hill"]),
        ("ar", ["asha-rao", "marc"]),  # the beginnings of words
        ("BOB", ["bob", "bobby"]),
    ],
)
def test_the_likeliest_comes_first(typed: str, order: list[str]) -> None:
    found = {one: fit(typed, one) for one in reversed(order)}
    scores = {one: fits.score for one, fits in found.items() if fits is not None}
    assert sorted(scores, key=scores.__getitem__, reverse=True) == order


@pytest.mark.parametrize(
    ("typed", "candidate"), [("lba", "lab"), ("labb", "lab"), ("x", ""), ("#", "lab")]
)
def test_letters_must_be_there_in_their_order(typed: str, candidate: str) -> None:
    assert fit(typed, candidate) is None


@given(st.text(max_size=12), st.text(max_size=40))
def test_the_places_spell_what_was_typed(typed: str, candidate: str) -> None:
    found = fit(typed, candidate)
    wanted = [one.lower() for one in typed if not one.isspace()]
    if found is not None:
        assert [candidate[place].lower() for place in found.places] == wanted
        assert list(found.places) == sorted(set(found.places))
    else:
        rest = iter(one.lower() for one in candidate)
        assert not all(one in rest for one in wanted)
