"""Files on a person's page in a real browser: alice in Chromium, bob at a terminal."""

import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Browser, expect

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
    await page.get_by_role("button", name="Files").click()
    panel = page.get_by_label("Beside the conversation")
    await expect(panel).to_contain_text("the plan.pdf 3.0 MB from bob")
    await panel.get_by_role("button", name="Pause").click()
    await expect(entry.locator(".file")).to_contain_text("paused")
    for size in (page.viewport_size, PHONE):
        assert size is not None
        await page.set_viewport_size(size)
        await is_accessible(page)
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
    await bob.type("/query alice", "/retract")
    await expect(page.get_by_role("button", name="Accept")).to_have_count(0)
    assert talk.troubles == []
