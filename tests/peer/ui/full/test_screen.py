"""The full screen with real peers: what stands on it, and what keys do."""

import pytest

from tests.peer.ui.full.playing import Played
from tests.peer.village import Village, village  # noqa: F401


async def test_a_message_goes_both_ways(village: Village) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        alice = village.peer("alice")
        await alice.open()
        async with Played(alice).on_screen() as screen:
            await screen.shows("● bob", "* everybody", "alice · 2 online")
            await bob.send("alice", "did the probe come up?")
            await screen.shows("bob              1")
            await screen.press("alt+a")
            await screen.shows("bob · online", "bob  did the probe come up?")
            await screen.until(lambda: not screen.app._rows[1].unread)
            await screen.type("yes, at the second try")
            await screen.shows("you  yes, at the second try", "✓")


@pytest.mark.parametrize("text", ["[/]", "[@click=app.quit]x[/]", "$error [bold]", "\x1b]0;owned\x07\x1b[2J"])
async def test_hostile_text_is_shown_and_not_obeyed(village: Village, text: str) -> None:  # noqa: F811
    async with village.peer("bob") as bob:
        alice = village.peer("alice")
        await alice.open()
        async with Played(alice).on_screen() as screen:
            await screen.shows("● bob")
            await bob.send("alice", f"a{text}b")
            await screen.press("alt+a")
            await screen.shows("bob  a")
            shown = next(row for row in screen.rows if "bob  a" in row)
            assert "\x1b" not in shown and "\x07" not in shown
            assert shown.replace("\\x1b", "\x1b").replace("\\x07", "\x07").endswith(f"a{text}b")
