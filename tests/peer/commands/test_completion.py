"""Completion by Tab: what it offers, and in which order."""

import pytest

from chatapp.peer.commands.commands import BY_SPELLING, DESK_SPELLINGS
from chatapp.peer.commands.completion import RECENT_MAX, CompletionIndex, candidates, common_start

PATHS = ("plan.pdf", "plans/", "the plan.pdf")


@pytest.fixture
def known() -> CompletionIndex:
    known = CompletionIndex()
    known.set_people(["alice", "bob", "Bea", "carol"])
    known.add_recent("carol")
    known.add_recent("bob")
    known.add_recent("somebody who is gone")
    known.add_room("den")
    known.add_room("lab")
    known.entered = ("den",)
    known.list_paths = lambda begun: [path for path in PATHS if path.startswith(begun)]
    return known


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("send_", ["send_all"]),
        ("SEND_", ["send_all"]),
        ("  se", ["send", "send_all", "server:exit", "server:join", "server:leave", "server:who"]),
        ("/n", ["/names", "/nick", "/nickname", "/nicknames"]),
        ("b", ["bob:", "Bea:"]),
        ("send ", ["bob", "carol", "alice", "Bea"]),
        ("send b", ["bob", "Bea"]),
        ("/dm  c", ["carol"]),
        ("/dm bob,c", ["carol"]),
        ("send bob hi @c", ["@carol"]),
        ("/mute l", ["lab"]),
        ("/verify a", ["alice"]),
        ("send bob b", []),
        ("send_all b", []),
        ("join ", ["lab", "den"]),
        ("/join d", ["den"]),
        ("/room ", ["den"]),
        ("/leave d", ["den"]),
        ("/leave l", []),
        ("/names ", ["den"]),
        (
            "help se",
            ["send", "send_all", "server:exit", "server:join", "server:leave", "server:who"],
        ),
        ("/nick a", []),
        ("/history 1", []),
        ("/query ", ["bob", "carol", "alice", "Bea", "lab", "den"]),
        ("/send_file b", ["bob", "Bea"]),
        ("/send_file #", ["#den"]),
        ("/send_file bob pl", ["plan.pdf", "plans/"]),
        ("/file bob the p", ["the plan.pdf"]),
        ("/accept as pl", ["plan.pdf", "plans/"]),
        ("/accept 2 as the", ["the plan.pdf"]),
        ("/accept pl", []),
        ("nonsense b", []),
        ("zz", []),
    ],
)
def test_outside_a_room(known: CompletionIndex, typed: str, offered: list[str]) -> None:
    assert [one.text for one in candidates(typed, known, is_in_room=False)] == offered


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("b", ["bob", "Bea"]),
        ("ask be", ["Bea"]),
        ("send b", ["bob", "Bea"]),
        ("/dm b", ["bob", "Bea"]),
        ("/ou", ["/out"]),
        ("server:w", ["server:who"]),
    ],
)
def test_in_a_room_names_may_stand_anywhere_and_commands_have_signs(
    known: CompletionIndex, typed: str, offered: list[str]
) -> None:
    assert [one.text for one in candidates(typed, known, is_in_room=True)] == offered


def test_nothing_typed_offers_every_command_that_works_there(known: CompletionIndex) -> None:
    others = {one for one in BY_SPELLING if one not in DESK_SPELLINGS}
    assert {one.text for one in candidates("", known, is_in_room=False)} == others
    assert candidates(".", known, is_in_room=False) == []
    known.is_operator = True
    assert {one.text for one in candidates("", known, is_in_room=False)} == set(BY_SPELLING)
    assert {one.text for one in candidates("help .", known, is_in_room=False)} == DESK_SPELLINGS
    assert {one.text for one in candidates("/", known, is_in_room=True)} == {
        one for one in BY_SPELLING if one.startswith("/")
    }


def test_an_offer_replaces_what_was_typed_of_it_and_says_what_it_is(known: CompletionIndex) -> None:
    (offer,) = candidates("send_a", known, is_in_room=False)
    assert (offer.replaces, offer.about[:6]) == (6, "<text>")
    assert candidates("send BO", known, is_in_room=False)[0].replaces == 2


def test_old_talks_are_forgotten_at_last(known: CompletionIndex) -> None:
    for number in range(2 * RECENT_MAX):
        known.add_room(f"room{number}")
    assert len(known.rooms()) == RECENT_MAX
    assert known.rooms()[0] == f"room{2 * RECENT_MAX - 1}"


@pytest.mark.parametrize(
    ("texts", "common"),
    [
        (["bob"], "bob"),
        (["bob:", "Bea:"], "b"),
        (["send", "send_all"], "send"),
        (["send_all", "send"], "send"),
        (["Bob", "bobby"], "Bob"),
        (["bob", "carol"], ""),
    ],
)
def test_what_all_offers_begin_with(texts: list[str], common: str) -> None:
    assert common_start(texts) == common
