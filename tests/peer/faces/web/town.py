"""A help desk and a gateway on a simulated network in virtual time: the product's registry,
visitors and pages, without a socket or a browser. The registry's own terminal serves."""

import asyncio
import contextlib
import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.types import ASGIApp, Message

from chatapp.peer.api import visit_events
from chatapp.peer.faces.web.visitors.app import VisitorApp
from chatapp.peer.faces.web.visitors.gateway import Gateway
from chatapp.registry.program.app import Registry, RuleSettings
from chatapp.registry.rules.desk.settings import DeskSettings
from chatapp.registry.rules.people.access import AccessSettings
from chatapp.testing.clock import VirtualClock
from chatapp.testing.network import Network
from chatapp.testing.town import LAST_TIMERS, PORT, TownMachine
from chatapp.wire.address import Address
from tests.peer.faces.web.asking import HOST, Answer, ask, scope_of

FORM: Final = {"name": "Asha Rao", "number": "98765 43210", "issue": "3", "lang": "en"}


LOOKS: Final = 120
"""How often something is looked for, twice a second."""


class Browser:
    """A browser without JavaScript: it keeps its cookie and follows redirects."""

    def __init__(self, desk: "WebDesk", *, address: str = "192.0.2.7") -> None:
        self._desk = desk
        self._address = address
        self.cookie = ""
        self.page = ""
        self.status = 0

    async def get(self, path: str = "/", **headers: str) -> str:
        return await self._follow(await self._ask(path, headers=headers))

    async def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> str:
        return await self._follow(await self._ask(path, fields=fields or {}, headers=headers))

    async def join(self, **fields: str) -> str:
        return await self.post("/join", {**FORM, **fields})

    async def _follow(self, answer: Answer) -> str:
        while answer.status == 303:
            assert answer.headers["location"] == "./"
            answer = await self._ask("/")
        self.status, self.page = answer.status, answer.text
        return self.page

    async def _ask(
        self,
        path: str,
        *,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if self.cookie:
            sent["cookie"] = self.cookie
        answer = await ask(
            self._desk.app.asgi, path, fields=fields, headers=sent, client=self._address
        )
        for cookie in answer.cookies:
            self.cookie = cookie.partition(";")[0].removesuffix('=""')
        return answer

    async def until(self, text: str, *, path: str = "/") -> str:
        """Load the page again and again until it has this text."""
        for _ in range(LOOKS):
            if text in await self.get(path):
                return self.page
            await asyncio.sleep(0.5)
        raise AssertionError(f"{text!r} did not come in {self.page}")


class Window:
    """A window with JavaScript: it takes the stream of news."""

    def __init__(self, app: ASGIApp, cookie: str, since: str, *, address: str) -> None:
        self.news: list[dict[str, Any]] = []
        self.since = since
        self._pieces = ""
        self._is_closed = asyncio.Event()
        self.can_read = asyncio.Event()
        """Is clear while the browser accepts no more bytes."""
        self.can_read.set()
        self.is_cut = False
        headers = {"cookie": cookie, "host": HOST}
        scope = scope_of(f"/events?since={since}", headers=headers, client=address)
        scope["state"] = {"abort": self._cut}
        self.task = asyncio.ensure_future(app(scope, self._receive, self._send))

    def _cut(self) -> None:
        self.is_cut = True

    async def _receive(self) -> Message:
        await self._is_closed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.can_read.wait()
        self._pieces += message.get("body", b"").decode()
        *events, self._pieces = self._pieces.split("\n\n")
        for event in events:
            fields = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
            if "data" in fields:
                self.since = fields["id"]
                self.news.append(json.loads(fields["data"]))

    async def sees(self, key: str, text: str) -> dict[str, Any]:
        """Wait for news with this text under this key; earlier news are forgotten."""
        for _ in range(LOOKS):
            while self.news:
                if text in json.dumps(self.news[0].get(key), ensure_ascii=False):
                    return self.news[0]
                del self.news[0]
            await asyncio.sleep(0.5)
        raise AssertionError(f"{key} with {text!r} did not come")

    async def close(self) -> None:
        self._is_closed.set()
        await self.task


class WebDesk:
    """The registry with its terminal, and the gateway."""

    def __init__(self, folder: Path, network: Network, settings: DeskSettings) -> None:
        rng = random.Random(1)
        self._settings = settings
        self._network = network
        self._registry_place = TownMachine(network, "10.0.0.1", folder / "registry", rng=rng)
        self._place = TownMachine(network, "10.0.0.2", folder / "web", rng=rng)
        self._registry: Registry | None = None
        self._gateway: Gateway | None = None
        self._app: VisitorApp | None = None
        self.told: list[visit_events.VisitEvent] = []
        """What the gateway's terminal was told."""
        self.shown: list[str] = []
        """What the registry's terminal has shown."""
        self.gateways: tuple[str, ...] = ()

    # --- the registry

    async def start_registry(self) -> None:
        place = self._registry_place
        registry = Registry(
            PORT,
            place.folder,
            say=lambda line: None,
            rules=RuleSettings(self._settings, access=AccessSettings(gateways=self.gateways)),
            machine=place.machine,
            takes_admin_requests=False,
        )
        await registry.start()
        registry.open_console(self.shown.extend, is_terminal=False)
        self._registry = registry

    async def kill_registry(self) -> None:
        registry, self._registry = self._registry, None
        assert registry is not None
        with self._registry_place.killing():
            await registry.stop()

    async def wait(self, seconds: float) -> None:
        """Let so many virtual seconds pass."""
        await asyncio.sleep(seconds)

    async def type(self, line: str) -> None:
        """Type at the registry's terminal, and let it take effect."""
        assert self._registry is not None
        self._registry.console_typed(line)
        await asyncio.sleep(0.5)

    async def shows(self, line: str) -> None:
        """Wait until the registry's terminal has shown a line with this text."""
        for _ in range(LOOKS):
            if any(line in one for one in self.shown):
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"{line!r} did not come in {self.shown}")

    # --- the gateway

    def start_gateway(self, *, queue: str = "", server: str = "10.0.0.1") -> None:
        self._gateway = Gateway(
            [Address(server, PORT)],
            registry_key=None,
            queue=queue,
            home=self._place.folder,
            language="en",
            tell=self.told.append,
            machine=self._place.machine,
        )
        self._app = VisitorApp(self._gateway, title="", hosts=[HOST])
        self._gateway.open()

    async def stop_gateway(self) -> None:
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            await gateway.close()

    async def kill_gateway(self) -> None:
        with self._place.killing():
            await self.stop_gateway()

    @property
    def gateway(self) -> Gateway:
        assert self._gateway is not None
        return self._gateway

    @property
    def app(self) -> VisitorApp:
        assert self._app is not None
        return self._app

    @property
    def files(self) -> Path:
        """The gateway's folder."""
        return self._place.folder

    def browser(self, *, address: str = "192.0.2.7") -> Browser:
        return Browser(self, address=address)

    def window(self, browser: Browser, *, since: str | None = None) -> Window:
        """Open a window of this browser that takes news, from what its page shows."""
        if since is None:
            found = re.search('data-live="([^"]*)"', browser.page)
            assert found is not None, browser.page
            since = found[1]
        return Window(self.app.asgi, browser.cookie, since, address="192.0.2.7")

    async def visitor(self, name: str) -> Browser:
        """A browser whose visitor has joined the line."""
        browser = self.browser()
        await browser.join(name=name)
        return browser

    async def close(self) -> None:
        await self.stop_gateway()
        if self._registry is not None:
            await self._registry.stop()
        await asyncio.sleep(LAST_TIMERS)


@contextlib.asynccontextmanager
async def web_desk(folder: Path, **settings: object) -> AsyncIterator[WebDesk]:
    """A desk with a gateway that knows it, in virtual time. `settings`: those of the desk."""
    for name in ("registry", "web"):
        (folder / name).mkdir()
    clock = VirtualClock()
    clock.start()
    desk = WebDesk(folder, Network(random.Random(2)), DeskSettings(**settings))  # type: ignore[arg-type]
    try:
        await desk.start_registry()
        desk.start_gateway()
        await asyncio.sleep(1.0)
        yield desk
    finally:
        await desk.close()
        await clock.stop()
