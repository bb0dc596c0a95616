"""Play a cluster: three nats-servers, three registries, three people, and what goes wrong in
between.

python -m examples.cluster [--stay]

The people are at different nodes and talk with each other. The play kills the node that keeps the
state together with the server that leads the stream, kills a node that only serves, freezes a node
and stops one, and checks each step. The exit status is 0, or 1 at the first step that goes wrong.
With --stay it starts servers and registries only, says what to type, and runs until Ctrl-C.
"""

import asyncio
import re
import signal
import sys
from collections.abc import Iterable
from typing import Final

from examples.cluster.servers import NatsCluster
from examples.theatre import HOST, Actor, Play, Stage, StepFailed, stage_for

PLAY_WITHIN: Final = 180.0
"""Seconds after which the play has failed. It takes about 30 on an idle machine."""
JOURNAL: Final = "chatapp-chatapp-journal"
WELCOME: Final = "[Welcome, You are registered.]"
SAVED: Final = "[Messages received by the server and saved]"
KEEPS_STATE: Final = "[This node keeps the state.]"
BESIDE: Final = re.compile(r"\[Serving beside .*:\d+, which keeps the state\.\]")
LOST: Final = "[The cluster's lease is lost: this node no longer keeps the state.]"
NODES: Final = 3


class Nodes:
    """Three registries of one cluster. All serve, and one keeps the state."""

    def __init__(self, stage: Stage, servers: NatsCluster) -> None:
        self._stage = stage
        self._servers = servers
        self._home: dict[str, str] = {}
        self.ports = [next(stage.ports) for _ in range(NODES)]
        self.running: dict[int, Actor] = {}
        self.keeper = 0
        """The one that keeps the state."""

    async def start(self, index: int) -> None:
        """Start a registry, and wait until it serves beside the one that keeps the state, if there
        is one."""
        options = [
            "--cluster",
            self._servers.urls,
            "--cluster-key",
            str(self._stage.folder / "cluster.key"),
        ]
        monitors = ",".join(server.monitor for server in self._servers.servers)
        is_first = not self.running
        self.running[index] = await self._stage.start(
            f"node{index + 1}",
            "-s",
            str(self.ports[index]),
            *options,
            "--also",
            ",".join(f"{HOST}:{port}" for port in self.ports),
            "--no-announce",
            variables={"CHATAPP_CLUSTER_MONITORS": monitors},
        )
        await self.running[index].sees(KEEPS_STATE if is_first else BESIDE)

    async def start_all(self) -> None:
        """Start all, one after the other: the first one makes the cluster's key."""
        for index in range(NODES):
            await self.start(index)

    async def kill(self, index: int) -> None:
        """Kill a registry."""
        node = self.running.pop(index)
        node.send(signal.SIGKILL)
        await node.ends(-signal.SIGKILL)

    async def see_keeper(self, among: Iterable[int]) -> None:
        """Wait until one of these registries keeps the state, and the others serve beside it.
        Raises StepFailed."""
        waiting = {asyncio.create_task(self.running[one].sees(KEEPS_STATE)): one for one in among}
        done, late = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in late:
            task.cancel()
        for task in done:
            await task
            self.keeper = waiting[task]
        for index in waiting.values():
            if index != self.keeper:
                await self.running[index].sees(BESIDE)

    def others(self) -> list[int]:
        """Return the registries that run and do not keep the state."""
        return [index for index in self.running if index != self.keeper]

    async def person(self, name: str, at: int) -> Actor:
        """Start a peer that is told of one node only, and wait until it is registered. It learns of
        the others."""
        port = self._home.setdefault(name, str(next(self._stage.ports)))
        person = await self._stage.start(name, "-c", name, HOST, str(self.ports[at]), port)
        await person.sees(WELCOME)
        return person


async def perform(play: Play, stage: Stage, servers: NatsCluster) -> None:
    """Play all scenes in order."""
    nodes = Nodes(stage, servers)
    play.scene(
        "1. Three servers and three nodes; the first node keeps the state, the others serve beside it"
    )
    servers.start()
    await nodes.start_all()

    play.scene("2. Alice, Bob and Carol are at different nodes, and talk: directly and in a room")
    alice, bob, carol = [
        await nodes.person(name, at) for at, name in enumerate(("alice", "bob", "carol"))
    ]
    await alice.types("send bob Hello from another node")
    await bob.sees("alice: Hello from another node")
    for person in (alice, carol):
        await person.types("/join lab")
        await person.sees(re.compile(r"\[You are in lab.*"))
    await carol.types("Who is here?")
    await alice.sees("carol (in lab): Who is here?")

    play.scene("3. Bob leaves, and Alice writes to him: the cluster saves it")
    await bob.types("quit")
    await bob.ends(0)
    await alice.types("/dm bob Lunch at noon?")
    await alice.sees(SAVED)

    play.scene(
        "4. The node that keeps the state and the server that leads the stream are killed at once"
    )
    leader = servers.leader_of(JOURNAL)
    await nodes.kill(nodes.keeper)
    if leader is not None:
        play.tell(leader.name, "gets", "SIGKILL")
        leader.kill()
    await nodes.see_keeper((1, 2))
    await alice.types("/dm bob And at one?")
    await alice.sees(SAVED)
    await alice.types("Still here")
    await carol.sees(re.compile(r"alice \(in lab\): .*Still here"))
    bob = await nodes.person("bob", nodes.others()[0])
    await bob.sees(re.compile(r"alice: .*Lunch at noon\?"), re.compile(r"alice: .*And at one\?"))

    play.scene("5. Server and node come back; then a node is killed that only serves")
    servers.start()
    await nodes.start(0)
    await nodes.kill(next(index for index in nodes.others() if index))
    await carol.types("/dm bob Who is left?")
    await bob.sees(re.compile(r"carol: .*Who is left\?"))
    await carol.types("And here?")
    await alice.sees(re.compile(r"carol \(in lab\): .*And here\?"))

    play.scene(
        "6. The node that keeps the state is frozen, and thaws when another one has taken over"
    )
    frozen = nodes.running[nodes.keeper]
    frozen.send(signal.SIGSTOP)
    await nodes.see_keeper(nodes.others())
    frozen.send(signal.SIGCONT)
    await frozen.sees(LOST, BESIDE)

    play.scene(
        "7. The node that keeps the state is stopped in order; another one takes over at once"
    )
    stopping = nodes.running.pop(nodes.keeper)
    stopping.send(signal.SIGTERM)
    await nodes.see_keeper(nodes.running)
    await stopping.ends(0)
    await alice.types("/dm bob Good night")
    await bob.sees(re.compile(r"alice: .*Good night"))
    await _end(nodes, alice, bob, carol)
    if sum("Lunch at noon?" in line for line in bob.seen) != 1:
        raise StepFailed("bob should have read the letter once")


async def _end(nodes: Nodes, *people: Actor) -> None:
    for person in people:
        await person.types("/quit")
        await person.ends(0)
    for node in nodes.running.values():
        node.send(signal.SIGTERM)
        await node.ends(0)


async def stay(play: Play, stage: Stage, servers: NatsCluster) -> None:
    """Start servers and registries, and wait."""
    nodes = Nodes(stage, servers)
    servers.start()
    await nodes.start_all()
    lines = "\n".join(f"ChatApp -c <name> {HOST} {port} <client-port>" for port in nodes.ports)
    play.scene(f"Type one of these:\n{lines}\nCtrl-C ends all.")
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
        print(
            f"\nFAILED: {str(late) or f'the play was not over after {PLAY_WITHIN:.0f} s'}",
            flush=True,
        )
        return 1
    except asyncio.CancelledError:
        return 0 if stays else 1
    print(f"\nOK: {play.checks} checks in {play.seconds:.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
