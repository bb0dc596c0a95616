"""Play a cluster: three nats-servers, two registries, two people, and what goes wrong in between.

python -m examples.cluster [--stay]

It kills the registry that serves together with the server that leads the stream, freezes a registry and stops one, and
checks each step. The exit status is 0, or 1 at the first step that goes wrong. With --stay it starts servers and registries
only, says what to type, and runs until Ctrl-C.
"""

import asyncio
import re
import signal
import sys
from typing import Final

from examples.cluster.servers import NatsCluster
from examples.theatre import HOST, Actor, Play, Stage, StepFailed, stage_for

PLAY_WITHIN: Final = 180.0
"""Seconds after which the play has failed. It takes about 25 on an idle machine."""
JOURNAL: Final = "chatapp-chatapp-journal"
WELCOME: Final = "[Welcome, You are registered.]"
SAVED: Final = "[Messages received by the server and saved]"
STANDING_BY: Final = re.compile(r"\[Standing by: .*:\d+ serves\.\]")


class Registries:
    """Two registries of one cluster, of which one serves."""

    def __init__(self, stage: Stage, servers: NatsCluster) -> None:
        self._stage = stage
        self._servers = servers
        self.ports = [next(stage.ports), next(stage.ports)]

    async def start(self, index: int) -> Actor:
        """Start a registry, without waiting for it."""
        key = str(self._stage.folder / "cluster.key")
        options = ["--cluster", self._servers.urls, "--cluster-key", key, "--no-announce"]
        monitors = ",".join(server.monitor for server in self._servers.servers)
        return await self._stage.start(
            f"registry{index + 1}",
            "-s",
            str(self.ports[index]),
            *options,
            variables={"CHATAPP_CLUSTER_MONITORS": monitors},
        )

    def listening(self, index: int) -> str:
        """Return the line of a registry that serves."""
        return f"[Registry listening on UDP and TCP port {self.ports[index]}.]"

    @property
    def servers(self) -> tuple[str, str]:
        """The words with which a peer names both registries."""
        return f"{HOST},{HOST}:{self.ports[1]}", str(self.ports[0])

    async def person(self, name: str) -> Actor:
        """Start a peer that knows both registries, and wait until it is registered."""
        person = await self._stage.start(name, "-c", name, *self.servers, str(next(self._stage.ports)))
        await person.sees(WELCOME)
        return person


async def perform(play: Play, stage: Stage, servers: NatsCluster) -> None:
    """Play all scenes in order."""
    registries = Registries(stage, servers)
    play.scene("1. Three servers, a registry that serves, and one that stands by")
    servers.start()
    first = await registries.start(0)
    await first.sees(registries.listening(0))
    second = await registries.start(1)
    await second.sees(STANDING_BY)

    play.scene("2. Alice writes to Bob, who is away: the cluster saves it")
    bob = await registries.person("bob")
    await bob.types("quit")
    await bob.ends(0)
    alice = await registries.person("alice")
    await alice.types("send bob Lunch at noon?")
    await alice.sees(SAVED)

    play.scene(
        "3. The registry and the server that leads the stream are killed at once; the other registry goes on"
    )
    leader = servers.leader_of(JOURNAL)
    first.send(signal.SIGKILL)
    if leader is not None:
        play.tell(leader.name, "gets", "SIGKILL")
        leader.kill()
    await first.ends(-signal.SIGKILL)
    await second.sees(registries.listening(1))
    await alice.types("send bob And at one?")
    await alice.sees(SAVED)
    bob = await registries.person("bob")
    await bob.sees(re.compile(r"alice: .*Lunch at noon\?"), re.compile(r"alice: .*And at one\?"))
    await alice.types("send bob Good")
    await bob.sees("alice: Good")

    play.scene("4. Server and registry come back; the registry stands by")
    servers.start()
    first = await registries.start(0)
    await first.sees(STANDING_BY)

    play.scene("5. The registry that serves is frozen, and thaws when the other one serves: it stands by")
    second.send(signal.SIGSTOP)
    await first.sees(registries.listening(0))
    second.send(signal.SIGCONT)
    await second.sees(
        "[The cluster's lease is lost: this registry serves nobody until it has it again.]", STANDING_BY
    )

    play.scene("6. The registry that serves is stopped in order; the other one serves at once")
    first.send(signal.SIGTERM)
    await first.ends(0)
    await second.sees(registries.listening(1))
    await alice.types("send bob Good night")
    await bob.sees("alice: Good night")
    for person in (alice, bob):
        await person.types("quit")
        await person.ends(0)
    second.send(signal.SIGTERM)
    await second.ends(0)
    if sum("Lunch at noon?" in line for line in bob.seen) != 1:
        raise StepFailed("bob should have read the letter once")


async def stay(play: Play, stage: Stage, servers: NatsCluster) -> None:
    """Start servers and registries, and wait."""
    registries = Registries(stage, servers)
    servers.start()
    await (await registries.start(0)).sees(registries.listening(0))
    await (await registries.start(1)).sees(STANDING_BY)
    play.scene(f"Type: ChatApp -c <name> {' '.join(registries.servers)} <client-port>\nCtrl-C ends all.")
    await asyncio.Event().wait()


async def main() -> int:
    """Play, and return the exit status."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    play, stays = Play(), "--stay" in sys.argv[1:]
    try:
        async with stage_for(play) as stage, asyncio.timeout(None if stays else PLAY_WITHIN):
            servers = NatsCluster(stage.folder / "nats", stage.ports)
            try:
                await (stay if stays else perform)(play, stage, servers)
            finally:
                servers.kill()
    except (StepFailed, FileNotFoundError) as failure:
        print(f"\nFAILED: {failure}", flush=True)
        return 1
    except TimeoutError as late:
        print(f"\nFAILED: {str(late) or f'the play was not over after {PLAY_WITHIN:.0f} s'}", flush=True)
        return 1
    except asyncio.CancelledError:
        return 0 if stays else 1
    print(f"\nOK: {play.checks} checks in {play.seconds:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
