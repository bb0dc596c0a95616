"""Lines that a visitor changes and takes back by pages without JavaScript, and what a hostile one
gets, in virtual time."""

import re
from pathlib import Path

from chatapp.wire.limits import TEXT_MAX
from tests.peer.faces.web.town import Browser, WebDesk, web_desk


async def first_link(browser: Browser) -> str:
    """The first link of the conversation that changes a line."""
    (link, *_) = re.findall(r'class="change" href="(change\?line=\d+)"', await browser.get("/log"))
    return f"/{link}"


def line_of(link: str) -> str:
    return link.partition("=")[2]


async def said(desk: WebDesk, text: str) -> Browser:
    asha = await desk.visitor("Asha")
    await asha.post("/say", {"text": text})
    await desk.shows(f"Asha: {text}")
    return asha


async def test_a_visitor_changes_a_line_and_takes_it_back(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await said(desk, "helo <b>")
        link = await first_link(asha)
        assert 'target="_top"' in asha.page
        page = await asha.get(link)
        assert "Change your message" in page
        assert "helo &lt;b&gt;</textarea>" in page
        page = await asha.post("/change", {"line": line_of(link), "text": "good day"})
        assert "good day" in page
        assert "(edited)" in page
        assert "helo" not in page
        assert page.count("mark saved") == 1
        await desk.shows('[Asha changed a message to "good day".]')
        assert "good day (edited)" in await asha.get("/transcript")
        page = await asha.post("/retract", {"line": line_of(link)})
        assert "[taken back]" in page
        assert "good day" not in page
        assert 'class="change"' not in page
        await desk.shows("[Asha took back a message.]")
        assert "[taken back]" in await asha.get("/transcript")
        await asha.get(link)
        assert asha.status == 409
        assert "This message cannot be changed any more." in asha.page


async def test_a_conversation_is_as_it_was_changed_after_a_restart_of_the_gateway(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await said(desk, "helo")
        link = await first_link(asha)
        await asha.post("/change", {"line": line_of(link), "text": "good day"})
        await desk.kill_gateway()
        desk.start_gateway()
        page = await asha.until("(edited)")
        assert page.count("good day") == 1
        await asha.post("/change", {"line": line_of(await first_link(asha)), "text": "good bye"})
        await desk.shows('[Asha changed a message to "good bye".]')


async def test_a_line_reads_otherwise_as_long_as_it_is(tmp_path: Path) -> None:
    """A text that is shown as several lines."""
    async with web_desk(tmp_path) as desk:
        asha = await said(desk, "one")
        await asha.post("/say", {"text": "two"})
        link = await first_link(asha)
        long = "é" * 20_000
        await asha.post("/change", {"line": line_of(link), "text": long})
        page = await asha.get("/log")
        assert page.count("é") == len(long)
        assert page.index("é") < page.index("two")
        page = await asha.post("/change", {"line": line_of(link), "text": "one"})
        assert "é" not in page
        assert len(re.findall(r'id="line\d+"', page)) == 2


async def test_what_is_not_the_visitor_s_to_change_stays_as_it_is(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await said(desk, "helo")
        ben = desk.browser(address="192.0.2.8")
        await ben.join(name="Ben")
        link = await first_link(asha)
        await desk.type("how can I help?")
        await asha.until("how can I help?")
        for line in ("1", "2", "0", "", "-1", "9" * 18, "9" * 400, "x", "\u0664"):
            for path, more in (("/change", {"text": "grabbed"}), ("/retract", {})):
                await asha.post(path, {"line": line, **more})
                assert asha.status in (409, 429), line
        await ben.post("/change", {"line": line_of(link), "text": "grabbed"})
        assert ben.status == 409
        await asha.post("/change", {"line": line_of(link), "text": "  "})
        assert asha.status in (422, 429)
        assert "grabbed" not in await asha.get("/log")


async def test_a_text_that_is_too_long_or_comes_after_the_end_changes_nothing(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await said(desk, "helo")
        link = await first_link(asha)
        await asha.post("/change", {"line": line_of(link), "text": "x" * (TEXT_MAX + 1)})
        assert asha.status == 413
        await desk.type(".next")
        assert 'class="change"' not in await asha.until("Thank you for your visit")
        await asha.post("/retract", {"line": line_of(link)})
        assert "Thank you for your visit" in asha.page
        assert "helo" in await asha.get("/transcript")
