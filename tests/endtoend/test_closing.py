"""The registry stops in order: peers and visitors are told; and what the registry's own terminal
shows of the table."""

import re
import signal

from tests.cast.desk import ACTIVE, CONNECTED
from tests.cast.lines import CHANNEL_TAKEN
from tests.cast.stage import Stage


async def test_peers_and_visitors_are_told_that_the_registry_stops_and_is_back(
    stage: Stage,
) -> None:
    registry = await stage.registry()
    alice = await stage.come("alice")
    ana = await stage.registrant("ana")
    await ana.sees(CONNECTED)
    assert ana.shown(lambda line: line == "[False data makes your request void.]")
    registry.signal(signal.SIGTERM)
    await alice.sees("[Server is closing.]")
    await ana.sees("[The help desk is closed for maintenance. Your place is kept.]")
    assert await registry.ends() == 0

    # The visitor's place is kept for as long as the maintenance takes.
    await ana.sees(
        "[Server not responding] Still trying; your place is kept until the server is back, "
        "and for 60 seconds after that."
    )
    registry = await stage.registry()
    for person in (alice, ana):
        await person.sees("[Server is back.]")

    # A registry that is back before anybody has missed it is told of as well, to those who have a
    # link again.
    await alice.type("/all here again")
    await alice.sees(CHANNEL_TAKEN)
    await ana.type(".queue")
    await ana.sees(ACTIVE)
    await registry.stops()
    await stage.registry()
    await alice.sees("[Server is closing.]")
    await ana.sees("[The help desk is closed for maintenance. Your place is kept.]")
    for one in (alice, ana):
        await one.sees("[Server is back.]")


async def test_the_registry_s_terminal_shows_the_table(stage: Stage) -> None:
    registry = await stage.registry()
    await registry.type(".table")
    await registry.sees("[The table is empty.]")
    await stage.come("alice")
    await registry.type(".table")
    await registry.sees(re.compile(r"name +address +port +online"))
    await registry.sees(re.compile(rf"alice +127\.0\.0\.1 +{stage.port_of('alice')} +yes"))
    await registry.type(".table now")
    await registry.sees("[Usage: .table]")
