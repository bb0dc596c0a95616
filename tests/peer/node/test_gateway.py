"""A visitor who comes through a gateway, and the gateway's key on disk."""

from pathlib import Path

import msgspec
import pytest

from chatapp.peer.api import visit_events
from chatapp.peer.node.keystore import BrokenKeyFile
from chatapp.peer.node.ticket import GATEWAY_KEY_FILE, gateway_key
from tests.peer.core.desk.scene import DESK, Scene

VOUCHED = msgspec.structs.replace(DESK, is_vouched=True)


def test_a_gateway_that_the_registry_does_not_list_is_reported() -> None:
    scene = Scene(has_gateway=True)
    scene.visit.handle(DESK)
    assert visit_events.GatewayUnknown() in scene.visit.events()
    scene.visit.handle(VOUCHED)
    assert visit_events.GatewayUnknown() not in scene.visit.events()


def test_a_visitor_without_a_gateway_reads_nothing_of_gateways() -> None:
    scene = Scene()
    scene.visit.handle(DESK)
    assert visit_events.GatewayUnknown() not in scene.visit.events()


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    made = gateway_key(tmp_path / "new")
    path = tmp_path / "new" / GATEWAY_KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert gateway_key(tmp_path / "new").public == made.public
    assert gateway_key(tmp_path / "other").public != made.public


def test_a_file_that_holds_no_key_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / GATEWAY_KEY_FILE
    path.write_bytes(b"short")
    with pytest.raises(BrokenKeyFile):
        gateway_key(tmp_path)
    assert path.read_bytes() == b"short"
