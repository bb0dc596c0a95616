"""Completion by Tab for a visitor of the help desk."""

import pytest

from chatapp.peer.words.catalog import catalog_of
from chatapp.peer.words.visitor import COMMANDS, VisitorCompletions, VisitorTexts

TEXTS = VisitorTexts(catalog_of("en"))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (
            "",
            [
                ".queue",
                ".about",
                ".pause",
                ".resume",
                ".rate",
                "/edit",
                "/retract",
                ".file",
                ".get",
                ".transcript",
                "/new",
                "/help",
                "/quit",
            ],
        ),
        (".", [".queue", ".about", ".pause", ".resume", ".rate", ".file", ".get", ".transcript"]),
        (".p", [".pause"]),
        ("/", ["/edit", "/retract", "/new", "/help", "/quit"]),
        ("/Q", ["/quit"]),
        (" /n", ["/new"]),
        ("s", []),
        ("hello ", []),
        ("/quit ", []),
    ],
)
def test_a_visitor_is_offered_the_desk_s_commands_and_no_others(
    typed: str, offered: list[str]
) -> None:
    assert [one.text for one in VisitorCompletions(TEXTS).after(typed, is_in_room=False)] == offered


def test_what_is_put_in_takes_the_place_of_what_was_typed() -> None:
    (offer,) = VisitorCompletions(TEXTS).after("  .qu", is_in_room=False)
    assert (offer.replaces, offer.about) == (3, TEXTS.commands[".queue"])


def test_all_that_is_offered_is_in_the_help() -> None:
    assert [line.split()[0] for line in TEXTS.help[:-1]] == list(COMMANDS)
