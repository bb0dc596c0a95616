"""Visits by browsers without JavaScript, from the form to the end, in virtual time."""

from pathlib import Path

from tests.peer.faces.web.town import web_desk


async def test_a_visit_from_the_form_to_the_rating(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha, ben = desk.browser(), desk.browser(address="192.0.2.8")
        assert "How can we help?" in await asha.get()
        assert "You are connected. Say hello!" in await asha.join()
        assert "You are next." in await ben.join(name="Ben")
        await asha.post("/say", {"text": "Which book?\r\n<b>red</b>"})
        await desk.shows("Which book?\u23ce<b>red</b>")
        await desk.type("The red one.")
        page = await asha.get()
        assert "Which book?\n&lt;b&gt;red&lt;/b&gt;" in page
        assert "The red one." in page
        assert page.count("mark saved") == 1
        await desk.type(".next")
        assert "Thank you for your visit" in await asha.get()
        assert "Your rating has arrived." in await asha.post("/rate", {"rating": "4"})
        assert "The red one." in await asha.get("/transcript")
        assert "How can we help?" in await asha.post("/new")
        assert asha.cookie == "chatapp-desk"
        assert "Say hello!" in await ben.get()
        assert "The red one." not in ben.page


async def test_wrong_answers_are_told_at_their_fields_and_nothing_is_lost(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = desk.browser()
        page = await asha.join(name="O'Brien \"<x>", number="12", issue="")
        assert asha.status == 422
        assert asha.cookie == ""
        for told in (
            "The name may contain only letters, spaces and . &#39; -.",
            "The number is not a mobile number (IN: 10 digits such as",
            "Please choose what it is about.",
            'value="O&#39;Brien &#34;&lt;x&gt;"',
            'aria-invalid="true"',
        ):
            assert told in page, told
        assert "please write &#34;Brien O&#39;Hara&#34;" in await asha.join(name="Brien, O'Hara")
        assert "<x>" not in page
        assert len(desk.gateway.sessions) == 0
        await asha.join(name="Anne\u2011Marie  O\u2019Brien")
        await desk.shows("Name: Anne-Marie O'Brien")


async def test_a_second_language(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = desk.browser()
        assert 'lang="hi"' in await asha.get("/", accept_language="hi-IN,en;q=0.5")
        assert "पूरा नाम" in await asha.get("/?lang=hi", accept_language="en")
        assert "अवसाद" in asha.page
        await desk.type(".off")
        assert "अगली बारी आपकी है।" in await asha.join(lang="hi")
        assert "नाम ख़ाली है" in await desk.browser().join(lang="hi", name="")


async def test_the_language_outlives_a_link_of_another_site_and_a_wrong_form(
    tmp_path: Path,
) -> None:
    async with web_desk(tmp_path) as desk:
        asha = desk.browser()
        assert "url=./?lang=hi" in await asha.get("/?lang=hi", sec_fetch_site="cross-site")
        assert 'url=./"' in await asha.get("/?lang=x%22", sec_fetch_site="cross-site")
        assert 'href="./?lang=hi"' in await asha.join(name="")
        assert "How can we help?" in await asha.get("/join")


async def test_the_log_in_its_frame_tells_the_end_of_the_talk(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha = await desk.visitor("Asha")
        assert 'target="_top"' not in await asha.get("/log")
        await desk.type(".next")
        assert '<a href="./" target="_top" class="button">Go on</a>' in await asha.until(
            "Go on", path="/log"
        )


async def test_the_line_moves_and_is_estimated(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        asha, ben, cem = [await desk.visitor(name) for name in ("Asha", "Ben", "Cem")]
        assert "Say hello!" in asha.page
        assert "You are next." in ben.page
        assert "1 person is ahead of you." in cem.page
        await cem.until("There is no estimate yet.")
        await desk.type(".next")
        await ben.until("Say hello!")
        await cem.until("You are next.")
        for _ in range(3):
            await desk.type(".next")
            await desk.visitor("Dee")
        eve = await desk.visitor("Eve")
        await eve.until("It may take about")


async def test_what_a_waiting_visitor_writes_is_the_description(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha = await desk.visitor("Asha")
        await asha.post("/about", {"about": "My marks\r\nwent down"})
        assert "My marks\nwent down" in await asha.get("/about")
        assert "That is too long" in await asha.post("/about", {"about": "x" * 4_097})
        assert asha.status == 413
        await desk.type(".on")
        await desk.shows("My marks")
        assert "How can we help?" not in await asha.get("/about")


async def test_leaving_needs_one_more_click_and_gives_the_place_up(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        assert "Give up your place in the queue?" in asha.page
        assert "You have left the help desk." in await asha.post("/leave")
        await ben.until("You are next.")
        assert "How was it?" not in asha.page


async def test_a_pause_lets_others_go_first(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha, ben = await desk.visitor("Asha"), await desk.visitor("Ben")
        assert "Others are called first." in await asha.post("/pause", {"pause": "1"})
        await desk.type(".on")
        await ben.until("Say hello!")
        assert "Others are called first." in await asha.get()
        assert "Others are called first." not in await asha.post("/pause", {"pause": "0"})
        assert "You are next." in asha.page


async def test_a_desk_that_is_closed_and_opens_again(tmp_path: Path) -> None:
    async with web_desk(tmp_path) as desk:
        await desk.type(".off")
        asha, late = await desk.visitor("Asha"), desk.browser()
        await late.get()
        await desk.type(".close Back <at> two")
        assert (
            "takes no more newcomers: Back &lt;at&gt; two. Your place is kept." in await asha.get()
        )
        page = await late.join(name="Late")
        assert "The help desk is closed" in page
        assert "Back &lt;at&gt; two" in page
        assert '<meta http-equiv="refresh" content="20"></head>' in page
        assert late.cookie == ""
        await desk.type(".open")
        await late.until("How can we help?")
