"""For how long a visit is kept, as its page says, and as the raw files of the registry and of the
gateway show."""

from pathlib import Path
from typing import Final

import pytest

from tests.peer.faces.web.town import WebDesk, web_desk

HOUR: Final = 3_600.0
WORDS: Final = (
    b"Zebedee Quux",
    b"+919876501234",
    b"the blue envelope",
    b"call the aunt",
    b"in the drawer",
)
"""What is written in the form, said by both sides, and noted by the operator."""


def found(folder: Path) -> list[bytes]:
    """Return the words that any file holds."""
    raw = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return [word for word in WORDS if word in raw]


async def play_a_visit(desk: WebDesk) -> None:
    """Play a visit from the form to its end."""
    visitor = desk.browser()
    await visitor.join(name="Zebedee Quux", number="9876501234")
    await visitor.post("/say", {"text": "where is the blue envelope?"})
    await desk.type("in the drawer")
    await desk.type(".note call the aunt")
    await desk.type(".end")
    assert "Thank you for your visit" in await visitor.get()


async def test_under_the_default_settings_a_visit_is_erased_after_the_day_that_the_form_says(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        form = await desk.browser().get()
        assert (
            "Operators can read your answers and the conversation for 1 day after your visit"
            in form
        )
        await play_a_visit(desk)
        await desk.stop_gateway()
        await desk.wait(23 * HOUR)
        assert found(tmp_path) == list(WORDS)
        await desk.type(".past")
        await desk.shows("in the drawer")
        await desk.wait(1 * HOUR + 120)
        assert found(tmp_path) == []
        await desk.type(".past")
        await desk.shows("[No past sessions.]")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"keep_sessions": 0}, "Nothing that you write is kept after your visit."),
        (
            {"keep_sessions": 7, "keep_transcripts": 0},
            "for 7 days after your visit; then the answers are erased. The",
        ),
        (
            {"keep_sessions": 14, "keep_transcripts": 0.5},
            "for 14 days after your visit, and the conversation for 12 hours",
        ),
        (
            {"keep_sessions": 0.5, "keep_transcripts": 7},
            "for 12 hours after your visit; then both are erased",
        ),
    ],
)
async def test_the_form_says_for_how_long_what_is_kept(
    tmp_path: Path, settings: dict[str, float], said: str
) -> None:
    async with web_desk(tmp_path, **settings) as desk:
        assert said in await desk.browser().get()


async def test_where_nothing_is_kept_a_visit_is_erased_within_seconds_of_its_end(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path, keep_sessions=0) as desk:
        await play_a_visit(desk)
        await desk.wait(10.0)
        assert found(tmp_path) == []
