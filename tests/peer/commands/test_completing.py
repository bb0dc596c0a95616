"""Completion with Tab on the full screen."""

from chatapp.peer.commands.completion import Completing, Replacement
from chatapp.peer.words.formatting import Candidate


def offered(typed: str) -> list[Candidate]:
    word = typed.rpartition(" ")[2]
    return [
        Candidate(one, len(word)) for one in ("barbara", "barney", "carol") if one.startswith(word)
    ]


def test_what_all_share_comes_first_then_each_in_turn() -> None:
    completing = Completing(offered)
    assert completing.step("hi b", 1) == Replacement("bar", 1)
    assert completing.is_on
    assert completing.step("hi bar", 1) == Replacement("barbara", 3)
    assert completing.step("hi barbara", 1) == Replacement("barney", 7)
    assert completing.step("hi barney", -1) == Replacement("barbara", 6)
    assert completing.step("hi barbara", -1) == Replacement("barney", 7)


def test_one_candidate_is_put_there_at_once() -> None:
    completing = Completing(offered)
    assert completing.step("c", 1) == Replacement("carol", 1)
    assert not completing.is_on


def test_nothing_is_offered_for_nothing_known() -> None:
    assert Completing(offered).step("x", 1) is None


def test_another_key_ends_the_offer() -> None:
    completing = Completing(offered)
    assert completing.step("b", 1) == Replacement("bar", 1)
    completing.end()
    assert completing.step("barn", 1) == Replacement("barney", 4)
