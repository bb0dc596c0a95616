"""The peer as a program: how it applies its settings."""

from pathlib import Path
from typing import Any

import pytest

from chatapp.peer.faces import opening
from chatapp.peer.faces.line import main
from chatapp.peer.faces.program import INTERRUPTED, StartOptions
from chatapp.wire.address import Address
from chatapp.wire.delivery.policy import Policy


@pytest.mark.parametrize(("seconds", "policy"), [(None, None), (1.25, Policy(ack_timeout=1.25))])
def test_the_retry_interval_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seconds: float | None, policy: Policy | None
) -> None:
    made: list[dict[str, Any]] = []

    def make(*_: object, **options: object) -> None:
        made.append(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "Peer", make)
    wanted = StartOptions(
        name="alice",
        servers=[Address("127.0.0.1", 5_000)],
        registry_key=None,
        port=6_000,
        home=tmp_path,
        ack_timeout=seconds,
    )
    status = main.run(wanted, plain=True, log_level="warning")
    assert (status, [options["policy"] for options in made]) == (INTERRUPTED, [policy])
