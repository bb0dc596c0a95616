"""Reloading the access lists: one reload at a time, none lost, and no change when a list is
invalid."""

import asyncio

from chatapp.registry.program.server import SettingsReload
from chatapp.registry.program.settings import DeskTable, RegistryTable, Settings
from chatapp.registry.rules.people.access import AccessLists, AccessSettings
from chatapp.wire.errors import ChatAppError


class RunningServer:
    """A reload with its surroundings: the settings as written, the lines printed, the lists in
    force."""

    def __init__(self) -> None:
        self.written: Settings | str = Settings()
        self.said: asyncio.Queue[str] = asyncio.Queue()
        self.in_force: list[AccessLists] = []
        self.reload = SettingsReload(self._read, Settings(), self._change, self.said.put_nowait)

    def _read(self) -> Settings:
        if isinstance(self.written, str):
            raise ChatAppError(self.written)
        return self.written

    def _change(self, lists: AccessLists) -> int:
        self.in_force.append(lists)
        return len(self.in_force) - 1


async def test_a_reload_requested_before_the_start_happens_at_the_start() -> None:
    server = RunningServer()
    server.written = Settings(registry=RegistryTable(ban=("bob", "10.0.0.0/8"), allow=("0" * 32,)))
    server.reload.ask()
    assert server.in_force == []
    server.reload.open()
    assert await server.said.get() == "[Lists reloaded: 1 allowed, 2 banned]"
    assert server.in_force[0].bans.has_host("10.1.2.3")
    server.reload.ask()
    assert await server.said.get() == "[Lists reloaded: 1 allowed, 2 banned; 1 disconnected]"


async def test_gateways_are_reloaded_with_the_lists() -> None:
    server = RunningServer()
    server.reload.open()
    server.written = Settings(registry=RegistryTable(gateways=("0" * 32,)))
    server.reload.ask()
    assert await server.said.get() == "[Lists reloaded: 0 allowed, 0 banned, gateways: 1]"
    assert server.in_force[0].gateways == {"0" * 32}
    assert server.said.empty()


async def test_an_invalid_list_changes_nothing() -> None:
    server = RunningServer()
    server.reload.open()
    server.written = "--ban: unreadable"
    server.reload.ask()
    assert await server.said.get() == "[--ban: unreadable; the lists stay as they were]"
    assert server.in_force == []


async def test_other_changed_settings_are_named() -> None:
    server = RunningServer()
    server.reload.open()
    server.written = Settings(
        registry=RegistryTable(lease=60, ban=("bob",)), desk=DeskTable(region="DE")
    )
    server.reload.ask()
    await server.said.get()
    assert await server.said.get() == "[Changed, but applied at the next start only: lease, region]"


async def test_a_registry_that_serves_again_begins_with_the_lists_loaded_last() -> None:
    server = RunningServer()
    server.reload.open()
    server.written = Settings(
        registry=RegistryTable(ban=("bob",), gateways=("0" * 32,), invite_only=True)
    )
    server.reload.ask()
    await server.said.get()
    assert server.reload.access == AccessSettings(ban=("bob",), gateways=("0" * 32,))
    server.written = "--ban: unreadable"
    server.reload.ask()
    await server.said.get()
    assert server.reload.access.ban == ("bob",)


async def test_a_reload_while_nobody_is_served_waits_until_the_registry_serves_again() -> None:
    server = RunningServer()
    server.reload.open()
    server.written = Settings(registry=RegistryTable(ban=("bob",)))
    server.reload.ask()
    server.reload.close()  # the reload is under way
    server.reload.ask()
    await asyncio.sleep(0)
    assert server.in_force == []
    server.reload.open()
    assert await server.said.get() == "[Lists reloaded: 0 allowed, 1 banned]"
