"""Pictures of pages in a real browser."""

import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from examples import web
from examples.theatre import HOST, Actor, Stage

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM: Final = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
"""The browser for pictures; None if there is none."""


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator["Browser"]:
    """Start Chromium."""
    from playwright.async_api import async_playwright

    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def fill_in(page: "Page", name: str, number: str, issue: int) -> None:
    """Fill in the form."""
    await page.fill("#name", name)
    await page.fill("#number", number)
    await page.check(f"input[value='{issue}']")
    await page.click("button.primary")


async def operator(stage: Stage) -> Actor:
    """Start a registry, and its operator bob."""
    code = await stage.registry_with("bob")
    bob = await stage.person("bob", CHATAPP_CODE=code)
    await bob.sees("[Welcome, You are registered.]")
    return bob


async def picture(stage: Stage, target: Path) -> None:
    """Paint three pages of a phone side by side: the form, the line in the dark, and a
    conversation."""
    bob = await operator(stage)
    _, port = await web.web_desk(stage)
    shots: list[Path] = []
    async with browser() as chromium:

        async def page_of(*, is_dark: bool = False) -> "Page":
            context = await chromium.new_context(
                viewport={"width": 390, "height": 720},
                device_scale_factor=2,
                color_scheme="dark" if is_dark else "light",
            )
            page = await context.new_page()
            await page.goto(f"http://{HOST}:{port}/")
            return page

        async def shoot(page: "Page") -> None:
            await page.evaluate("scrollTo(0, 0)")
            shots.append(stage.folder / f"{len(shots)}.png")
            await page.screenshot(path=shots[-1])

        form, line, talk = await page_of(), await page_of(is_dark=True), await page_of()
        await form.check("input[value='3']")
        await fill_in(talk, "Asha Rao", "9876543210", 3)
        await talk.wait_for_selector(".place")
        await fill_in(line, "Ben Okafor", "9876543211", 5)
        await line.wait_for_selector(".place")
        await bob.types(".on")
        await talk.wait_for_selector("#text")
        await line.get_by_text("You are next.").wait_for()
        await bob.types("Hello Asha, I am Bob. What is it about?")
        await talk.locator(".theirs").wait_for()
        for count, (said, answer) in enumerate(
            (
                (
                    "Hello! My marks in physics went down this term.",
                    "Thank you for writing. Since when?",
                ),
                ("Since October: I missed two weeks.", "Let us look at what you missed, then."),
            ),
            2,
        ):
            await talk.fill("#text", said)
            await talk.keyboard.press("Enter")
            await talk.locator(".mark.saved").nth(count - 2).wait_for()
            await bob.types(answer)
            await talk.locator(".theirs").nth(count - 1).wait_for()
        for page in (form, line, talk):
            await shoot(page)
    put_together(shots, target)


def put_together(shots: Sequence[Path], target: Path) -> None:
    """Put pictures side by side, at half their size."""
    from PIL import Image

    images = [Image.open(shot) for shot in shots]
    gap = 48
    sheet = Image.new(
        "RGB", (sum(one.width for one in images) + 4 * gap, images[0].height + 2 * gap), "#8f9b97"
    )
    left = gap
    for one in images:
        sheet.paste(one, (left, gap))
        left += one.width + gap
    sheet.resize((sheet.width // 2, sheet.height // 2)).save(target, optimize=True)


async def operator_picture(stage: Stage, target: Path) -> None:
    """Paint the page of an operator who serves one visitor while others wait."""
    bob = await operator(stage)
    await bob.types(".on")
    asha = await web.typed_visitor(stage, "Asha Rao", "9876543210", "3")
    await asha.sees("[You are connected.]")
    for name, number, issue in (
        ("Ben Okafor", "9876543211", "5"),
        ("Meera Iyer", "9876543212", "1"),
        ("Tomás Gil", "9876543213", "6"),
    ):
        visitor = await web.typed_visitor(stage, name, number, issue)
        await visitor.sees(re.compile(r"\[Waiting room, position \d\.\]"))
    await asha.types("Hello! My marks in physics went down this term.")
    await bob.sees("Asha Rao: Hello! My marks in physics went down this term.")
    _, address = await web.operator_page(stage, "bob")
    async with browser() as chromium:
        context = await chromium.new_context(
            viewport={"width": 1280, "height": 800}, device_scale_factor=1
        )
        page = await context.new_page()
        await page.goto(address[0])
        await page.locator(".theirs").wait_for()
        await page.locator(".waiting li").nth(2).wait_for()
        for said, answer in (
            ("Thank you for writing. Since when?", "Since October: I missed two weeks."),
            ("Let us look at what you missed, then.", "That would help me a lot."),
        ):
            await page.fill("#text", said)
            await page.keyboard.press("Enter")
            await asha.sees(f"bob: {said}")
            await asha.types(answer)
            await page.get_by_text(answer).wait_for()
        await page.fill(
            "#note", "Missed two weeks in October; ask the physics teacher for the sheets."
        )
        await page.get_by_text("Keep the note").click()
        await page.get_by_text("Note about Asha Rao kept.").wait_for()
        await page.get_by_text("Dismiss").click()
        await page.get_by_text("Dismiss").wait_for(state="detached")
        await page.locator(".mark.saved").nth(1).wait_for()
        await page.locator("#alerts").evaluate("it => { it.hidden = true; }")
        await page.locator("#rows .count").wait_for(state="detached")
        await page.screenshot(path=target)


async def own_picture(stage: Stage, target: Path) -> None:
    """Paint a person's own page, wide, and as on a phone in the dark: a room, and the safety number
    of somebody."""
    await stage.registry()
    bob, carol = [await stage.person(name) for name in ("bob", "carol")]
    for person in (bob, carol):
        await person.sees("[Welcome, You are registered.]")
        await person.types("join lab")
    _, address = await web.operator_page(stage, "alice")
    shots = [stage.folder / f"{name}.png" for name in ("wide", "number", "list")]
    async with browser() as chromium:
        context = await chromium.new_context(
            viewport={"width": 1060, "height": 720}, device_scale_factor=2
        )
        page = await context.new_page()
        await page.goto(address[0])
        await page.keyboard.press("Alt+k")
        await page.locator("#panel").get_by_role("button", name="lab").click()
        await page.locator("#head h2").get_by_text("# lab").wait_for()
        for who, said in (
            (bob, "did the probe come up?"),
            (None, "yes, at the second try"),
            (carol, "I see it too, and the log says that the second sensor is back"),
            (bob, "so the cable was the culprit"),
            (carol, "alice, can you put the readings on the wiki before noon?"),
            (None, "done: https://wiki.example.org/probe"),
        ):
            if who is None:
                await page.fill("#text", said)
                await page.keyboard.press("Enter")
            else:
                await who.types(said)
            await page.locator("#choose").get_by_text(said).wait_for()
        await bob.types("/msg alice lunch at one?")
        await page.locator(".count").get_by_text("1").first.wait_for()
        await page.locator("#choose .mark.saved").nth(1).wait_for()
        await page.locator("#alerts").evaluate("it => { it.hidden = true; }")
        await page.screenshot(path=shots[0])
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 390, "height": 720})
        await page.get_by_role("link", name="Conversations").click()
        await page.screenshot(path=shots[2])
        await page.locator("#list").get_by_text("bob", exact=True).click()
        await page.get_by_role("button", name="Verify").click()
        await page.locator(".digits").first.wait_for()
        await page.screenshot(path=shots[1])
    put_together(shots, target)
