"""Doctor: what is wrong and what to do, again when something changed."""

import asyncio
from functools import partial

from textual.widgets import Static

from chatapp.peer.api import events
from chatapp.peer.api.errors import NotOpen
from chatapp.peer.api.findings import Check, Finding, Trouble
from chatapp.peer.api.requests import Examine
from chatapp.peer.faces.full.overlays.reports import DoctorOverlay
from chatapp.peer.faces.full.theme import ASCII, UNICODE
from chatapp.wire.address import Address
from tests.peer.faces.full.overlays.host import Host, asking, note, plain, until

SERVER = Address("192.0.2.1", 5000)


class Doctor:
    """An examination that the test ends."""

    def __init__(self, *findings: Finding) -> None:
        self.findings = list(findings)
        self.asked = 0
        self.is_done = asyncio.Event()
        self.is_done.set()
        self.error: Exception | None = None

    async def answer(self, _: Examine) -> tuple[Finding, ...]:
        self.asked += 1
        await self.is_done.wait()
        if self.error is not None:
            raise self.error
        return tuple(self.findings)


def shown(host: Host[None]) -> list[str]:
    """Return the findings on the screen."""
    return [plain(one.content) for one in host.overlay.query_one("#findings").query(Static)]


async def test_findings_come_with_their_advice_and_again_when_the_server_is_back() -> None:
    fine = Finding(check=Check.UDP, amount=0.001)
    lost = Finding(check=Check.UDP, trouble=Trouble.REFUSED)
    doctor = Doctor(lost)
    host = Host(partial(DoctorOverlay, SERVER, asking(doctor.answer), signs=ASCII))
    async with host.run_test() as pilot:
        await until(pilot, lambda: note(host.overlay) == "1 problem found.")
        (line,) = shown(host)
        assert line.startswith(
            "! UDP to the server (192.0.2.1:5000): nothing runs on that port there. Start"
        )
        doctor.findings = [fine]
        doctor.is_done.clear()
        host.overlay.take_events([events.TableChanged(), events.ServerBack()])
        await until(
            pilot, lambda: note(host.overlay).startswith("Looking at the way to the server")
        )
        assert shown(host) == [line]  # what was found stays until more is known
        doctor.is_done.set()
        await until(pilot, lambda: note(host.overlay) == "All is well.")
        assert shown(host) == ["+ UDP to the server (192.0.2.1:5000): fine, 1 ms."]
        await pilot.press("f5")
        await until(pilot, lambda: doctor.asked == 3)


async def test_a_program_that_has_ended() -> None:
    doctor = Doctor(Finding(check=Check.PERSON, trouble=Trouble.AWAY, subject="[/]bob"))
    host = Host(partial(DoctorOverlay, SERVER, asking(doctor.answer), signs=UNICODE))
    async with host.run_test() as pilot:
        await until(pilot, lambda: note(host.overlay) == "1 problem found.")
        assert shown(host) == [
            "✗ Person: [/]bob is away: messages are saved and delivered on return."
        ]
        doctor.error = NotOpen()
        await pilot.press("f2")
        await until(pilot, lambda: note(host.overlay) == "This peer is not open.")
