"""Files on a person's page in a real browser: alice in Chromium, bob at a terminal."""

import asyncio
import base64
import os
import re
import signal
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import Browser, expect

from chatapp.peer.faces.web.limits import UPLOAD_MAX
from chatapp.peer.words import members as words
from tests.cast.browser import NEEDS_CHROMIUM, PHONE, is_accessible
from tests.cast.lines import beginning
from tests.cast.stage import Stage
from tests.endtoend.test_own_page import Talk, entered

pytestmark = NEEDS_CHROMIUM


@pytest_asyncio.fixture(loop_scope="session")
async def talk(stage: Stage, browser: Browser, tmp_path: Path) -> AsyncIterator[Talk]:
    """Alice has just opened her page; she and bob know each other."""
    await stage.registry()
    bob = await stage.come("bob", "--downloads", str(tmp_path / "bobs"))
    alice = await stage.come("alice", "--web", "--downloads", str(tmp_path / "hers"))
    await alice.knows("bob")
    context = await browser.new_context(
        viewport={"width": 1_280, "height": 800}, accept_downloads=True
    )
    page, troubles = await entered(context, alice)
    yield Talk(page, troubles, alice, bob)
    await context.close()


async def test_a_button_keeps_its_focus_while_its_bar_grows(talk: Talk) -> None:
    bar = '<p><progress max="100" value="{0}"></progress><button>Pause</button> {0} %</p>'
    found = await talk.page.evaluate(
        """([before, after]) => {
          const one = element(before);
          document.body.append(one);
          one.querySelector("button").focus();
          const now = renew(one, element(after));
          const seen = [now === one, now.outerHTML, document.activeElement.textContent];
          return [...seen, renew(now, element("<p>here</p>")).isConnected, one.isConnected];
        }""",
        [bar.format(10), bar.format(11)],
    )
    assert found == [True, bar.format(11), "Pause", True, False]


async def test_a_file_that_is_offered_is_accepted_paused_and_here(
    talk: Talk, tmp_path: Path
) -> None:
    page, bob = talk.page, talk.bob
    plan = tmp_path / "the plan.pdf"
    plan.write_bytes(os.urandom(3_000_000))
    await bob.type(f"/send_file alice '{plan}'")
    await bob.sees(beginning("[You offer the plan.pdf"))
    await talk.opens("bob")
    entry = page.locator(".entry", has_text="[file the plan.pdf, 3.0 MB]")
    await expect(entry.locator(".file")).to_contain_text("offered")
    await is_accessible(page)

    # Bob's program stops: nothing comes. She pauses it, and goes on; the bar stands at the line.
    bob.signal(signal.SIGSTOP)
    await entry.get_by_role("button", name="Accept").click()
    await expect(entry.locator("progress")).to_have_attribute("value", "0")
    await expect(entry).to_contain_text("waits for bob, 0 % is here")
    await page.get_by_role("button", name="Files", exact=True).click()
    panel = page.get_by_label("Beside the conversation")
    await expect(panel).to_contain_text("the plan.pdf 3.0 MB from bob")
    await panel.get_by_role("button", name="Pause").click()
    await expect(entry.locator(".file")).to_contain_text("paused")
    for size in (page.viewport_size, PHONE):
        assert size is not None
        await page.set_viewport_size(size)
        await is_accessible(page)
    await panel.get_by_role("button", name="Cancel").click()
    await expect(entry.locator(".file")).to_contain_text("offered")
    await panel.get_by_role("button", name="Accept").click()
    await panel.get_by_role("button", name="Pause").click()
    bob.signal(signal.SIGCONT)
    await panel.get_by_role("button", name="Resume").click()
    await expect(panel).to_contain_text(f"here, {tmp_path}/hers/the plan.pdf")
    await page.keyboard.press("Escape")
    await expect(entry.locator("progress")).to_have_count(0)
    assert (tmp_path / "hers" / "the plan.pdf").read_bytes() == plan.read_bytes()
    await bob.sees("[alice has received the plan.pdf.]")

    # Another one is refused; a third is taken back, and has no buttons any more.
    await bob.type(f"/send_file alice '{plan}'")
    refused = page.locator(".entry", has_text="[file the plan.pdf, 3.0 MB]").nth(1)
    await refused.get_by_role("button", name="Refuse").click()
    await expect(refused.locator(".file")).to_contain_text("refused")
    await bob.sees("[alice does not want the plan.pdf.]")
    await bob.type(f"/send_file alice '{plan}'")
    taken = page.locator(".entry", has_text=re.compile("the plan.pdf, 3.0 MB")).nth(2)
    await expect(taken.get_by_role("button", name="Accept")).to_be_visible()
    await talk.says("/files")
    await expect(panel).to_contain_text("refused")
    await page.keyboard.press("Escape")
    await bob.type("/query alice", "/retract")
    await expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    assert talk.troubles == []


def png(width: int, height: int) -> bytes:
    """Return a red picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body).to_bytes(4)
        return len(body).to_bytes(4) + kind + body + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xc0\x30\x20" * width) * height
    pieces = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


GIVES: Final = """(kind, [name, type, body]) => {
  const given = new DataTransfer();
  given.items.add(new File([Uint8Array.from(atob(body), (one) => one.charCodeAt(0))], name, { type }));
  const target = document.getElementById("talk");
  const how = { dataTransfer: given, clipboardData: given, bubbles: true, cancelable: true };
  if (kind === "drop") target.dispatchEvent(new DragEvent("dragover", how));
  const event = kind === "drop" ? new DragEvent("drop", how) : new ClipboardEvent("paste", how);
  return !target.dispatchEvent(event);
}"""
"""Has the page get a file as a browser drops or pastes it."""


async def test_files_are_chosen_dropped_pasted_and_offered(talk: Talk, tmp_path: Path) -> None:
    page, bob = talk.page, talk.bob
    plan = tmp_path / "the plan.pdf"
    plan.write_bytes(os.urandom(3_000_000))
    waiting = page.get_by_role("group", name="Offer to bob:")
    offer = waiting.get_by_role("button", name="Offer")
    await talk.opens("bob")

    # Chosen by the button: named once more, given up, chosen again and offered.
    for end in ("Escape", "Enter"):
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("button", name="Offer files").click()
        await (await chooser.value).set_files(plan)
        await expect(waiting.get_by_role("listitem")).to_have_text("the plan.pdf")
        await expect(offer).to_be_focused()
        await is_accessible(page)
        await page.keyboard.press(end)
        await expect(waiting).to_be_hidden()
    mine = page.locator(".mine", has_text="[file the plan.pdf, 3.0 MB]")
    await expect(mine).to_have_count(1)
    await bob.sees(beginning("alice: [file the plan.pdf, 3.0 MB"))
    (copy,) = (tmp_path / "alice").glob("uploads/*/*/*")
    assert copy.read_bytes() == plan.read_bytes()
    await bob.type("/accept")
    await bob.sees(f"[the plan.pdf is here: {tmp_path}/bobs/the plan.pdf]")
    assert (tmp_path / "bobs" / "the plan.pdf").read_bytes() == plan.read_bytes()
    await expect(mine).to_contain_text("done")
    async with asyncio.timeout(10.0):  # nobody fetches it any more
        while copy.exists():  # noqa: ASYNC110 - nothing tells that it is gone
            await asyncio.sleep(0.02)

    # Dropped and pasted. Text that is pasted with a picture of it stays text.
    for kind in ("drop", "paste"):
        given = [f"{kind}.png", "image/png", base64.b64encode(png(40, 30)).decode()]
        assert await page.evaluate(f"(given) => ({GIVES})({kind!r}, given)", given)
        await offer.click()
        await bob.sees(beginning(f"alice: [file {kind}.png"))
    assert talk.troubles == []

    # Too large, or nowhere to: one line each.
    await page.evaluate("told.most = 10")
    assert await page.evaluate(f"(given) => ({GIVES})('drop', given)", given)
    await offer.click()
    await expect(page.get_by_role("alert")).to_have_text(words.upload_too_large(UPLOAD_MAX))
    await talk.opens("everybody")
    await expect(waiting).to_be_hidden()
    await page.evaluate("told.most = 1e9")
    assert await page.evaluate(f"(given) => ({GIVES})('drop', given)", given)
    await page.get_by_role("button", name="Offer", exact=True).click()
    await expect(page.get_by_role("alert")).to_have_text(words.NO_RECIPIENT)


async def test_a_picture_is_shown_and_any_file_is_downloaded(talk: Talk, tmp_path: Path) -> None:
    page, bob = talk.page, talk.bob
    red, bomb = tmp_path / "red.png", tmp_path / "bomb.png"
    red.write_bytes(png(64, 48))
    bomb.write_bytes(b"<script>document.title='owned'</script>")
    await talk.opens("bob")
    for path in (red, bomb):
        await bob.type(f"/send_file alice {path}")
        entry = page.locator(".entry", has_text=f"[file {path.name}")
        await entry.get_by_role("button", name="Accept").click()
        await expect(entry.get_by_role("link", name="Download")).to_be_visible()
    picture = page.get_by_role("img", name="red.png")
    await expect(picture).to_have_js_property("naturalWidth", 64)
    await expect(page.get_by_alt_text("bomb.png")).to_have_js_property("naturalWidth", 0)
    await is_accessible(page)
    for path in (red, bomb):
        entry = page.locator(".entry", has_text=f"[file {path.name}")
        async with page.expect_download() as download:
            await entry.get_by_role("link", name="Download").click()
        got = await download.value
        assert got.suggested_filename == path.name
        await got.save_as(tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == path.read_bytes()
    assert await page.title() != "owned"
    assert talk.troubles == []


async def test_without_script_a_form_offers_and_a_link_downloads(
    stage: Stage, browser: Browser, tmp_path: Path
) -> None:
    await stage.registry()
    bob = await stage.come("bob", "--downloads", str(tmp_path / "bobs"))
    alice = await stage.come("alice", "--web", "--downloads", str(tmp_path / "hers"))
    await alice.knows("bob")
    context = await browser.new_context(java_script_enabled=False, viewport=PHONE)
    page, _ = await entered(context, alice)
    plan = tmp_path / "the plan.pdf"
    plan.write_bytes(os.urandom(300_000))
    await page.locator("#list").get_by_text("bob").click()
    await page.get_by_label("A file").set_input_files(plan)
    await page.get_by_role("button", name="Offer").click()
    await bob.sees(beginning("alice: [file the plan.pdf, 300 kB"))
    await bob.type("/accept")
    await bob.sees(f"[the plan.pdf is here: {tmp_path}/bobs/the plan.pdf]")
    assert (tmp_path / "bobs" / "the plan.pdf").read_bytes() == plan.read_bytes()
    log = page.frame_locator("iframe")
    await expect(log.get_by_text("[file the plan.pdf, 300 kB]")).to_be_visible()
    await bob.type(f"/send_file alice '{plan}'")
    await log.get_by_role("button", name="Accept").click()
    async with page.expect_download() as download:
        await log.get_by_role("link", name="Download").click()
    await (await download.value).save_as(tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == plan.read_bytes()
    await context.close()
