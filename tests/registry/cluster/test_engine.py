"""The connection to the servers: what it survives, and what it refuses."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import nats
import pytest

from chatapp.registry.cluster import settings as settings_module
from chatapp.registry.cluster.jetstream import Access, JetStream
from chatapp.registry.cluster.settings import ClusterSettings, ClusterUnavailable
from chatapp.registry.cluster.stream.ledger import Acked, Publication, Refused, Subject
from chatapp.registry.program.node import ClusterNode
from chatapp.registry.program.texts import no_engine_line
from tests.support.nats_server import NatsServer
from tests.support.ports import free_port

LETTER = Publication(subject=Subject.JOURNAL, message=b"hello", after=None)


def test_a_connection_that_the_servers_close_is_made_anew(
    nats_server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The client library gives up for ever where an error of the servers comes before the end of
    the connection."""
    broker = JetStream(Access(servers=(nats_server.url,)), f"n{free_port()}")
    try:
        broker.open(within=10)
        first = broker._client
        assert first is not None
        again, reconnected = threading.Event(), broker._reconnected

        async def noted() -> None:
            await reconnected()
            again.set()

        broker._reconnected = noted  # type: ignore[method-assign]
        broker.run(first._process_err("'Maximum Connections Exceeded'"))
        assert again.wait(20)
        assert first.is_closed
        assert broker.publish(LETTER) == Acked(1)
        assert broker.trouble == ""
    finally:
        broker.close()
    assert caplog.messages == [
        "the servers of the cluster closed the connection: Maximum Connections Exceeded"
    ]


def test_a_node_without_an_engine_says_whether_the_servers_answer() -> None:
    assert no_engine_line("Authorization Violation") == (
        "[The servers of the cluster do not answer (Authorization Violation): nobody is served here until they do.]"
    )
    assert (
        no_engine_line("")
        == "[The servers of the cluster do not answer: nobody is served here until they do.]"
    )
    assert (
        no_engine_line(None)
        == "[No node that keeps the state is seen: nobody is served here until one is.]"
    )


def test_a_message_that_is_too_large_is_refused_at_once(nats_server: NatsServer) -> None:
    broker = JetStream(Access(servers=(nats_server.url,)), f"n{free_port()}")
    try:
        broker.open(within=10)
        large = Publication(
            subject=Subject.JOURNAL, message=bytes(broker.message_max + 1), after=None
        )
        assert broker.publish(large) == Refused(
            f"the servers allow messages of {broker.message_max:,} bytes only"
        )
    finally:
        broker.close()


def test_servers_that_are_too_old_are_refused(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "VERSION_LEAST", (99, 0))
    broker = JetStream(Access(servers=(nats_server.url,)), f"n{free_port()}")
    try:
        with pytest.raises(
            ClusterUnavailable, match=r"^the servers of the cluster are of version 2\.\d+"
        ):
            broker.open(within=10)
    finally:
        broker.close()


@pytest.mark.parametrize(
    "change", [{"subjects": ["other.*"]}, {"max_msgs_per_subject": 5}, {"max_msg_size": 9}]
)
async def test_a_stream_of_another_program_is_refused(
    nats_server: NatsServer, change: dict[str, object]
) -> None:
    name = f"n{free_port()}"
    whole: dict[str, Any] = {"subjects": [f"chatapp.{name}.journal"], "discard": "new", **change}
    if "subjects" in change:
        whole["subjects"] = [f"{name}.other"]
    client = await nats.connect(nats_server.url)
    await client.jetstream().add_stream(name=f"chatapp-{name}-journal", **whole)
    await client.close()
    broker = JetStream(Access(servers=(nats_server.url,)), name)
    try:
        with pytest.raises(
            ClusterUnavailable, match=f"^the stream chatapp-{name}-journal was made or changed"
        ):
            await asyncio.to_thread(broker.open, within=10)
    finally:
        await asyncio.to_thread(broker.close)


async def test_a_fault_in_keeping_the_lease_ends_the_service_and_is_logged(
    nats_server: NatsServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = ClusterSettings(servers=(nats_server.url,), name=f"n{free_port()}")
    said: list[str] = []
    node = ClusterNode(settings, folder=tmp_path, name="a", say=said.append)
    try:
        await node.open()
        async with asyncio.timeout(20):
            await node.win_lease()

            async def fail(_: object) -> None:
                raise ZeroDivisionError

            monkeypatch.setattr(node, "_step", fail)
            await node.lost()
    finally:
        await node.close()
    assert said[-1].startswith("[The cluster's lease is lost: ")
    assert "the lease is lost because of a fault in this program" in caplog.messages
