"""Reloading the access lists: one reload at a time, none lost, and no change when a list is invalid."""

import asyncio

from chatapp.registry.access import AccessLists
from chatapp.registry.server import SettingsReload
from chatapp.registry.settings import DeskTable, RegistryTable, Settings
from chatapp.wire.errors import ChatAppError


class Office:
    """The owner of the registry: the lists written, the lines read, and the lists in force."""

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


async def test_what_is_asked_for_before_the_registry_serves_is_done_then() -> None:
    office = Office()
    office.written = Settings(registry=RegistryTable(ban=("bob", "10.0.0.0/8"), allow=("0" * 32,)))
    office.reload.ask()
    assert office.in_force == []
    office.reload.open()
    assert await office.said.get() == "[Lists read again: 1 allowed, 2 kept out]"
    assert office.in_force[0].bans.has_host("10.1.2.3")
    office.reload.ask()
    assert await office.said.get() == "[Lists read again: 1 allowed, 2 kept out; 1 put out]"


async def test_an_invalid_list_changes_nothing() -> None:
    office = Office()
    office.reload.open()
    office.written = "--ban: what there is no reading"
    office.reload.ask()
    assert await office.said.get() == "[--ban: what there is no reading; the lists stay as they were]"
    assert office.in_force == []


async def test_what_else_has_changed_is_named() -> None:
    office = Office()
    office.reload.open()
    office.written = Settings(registry=RegistryTable(lease=60, ban=("bob",)), desk=DeskTable(region="DE"))
    office.reload.ask()
    await office.said.get()
    assert await office.said.get() == "[Changed, but in force from the next start only: lease, region]"
