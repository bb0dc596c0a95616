"""The public module of events: it contains every event, each under a unique name."""

from types import UnionType
from typing import get_args

from chatapp import events as public
from chatapp.peer.api import events


def test_all_that_can_happen_is_in_the_one_module() -> None:
    shapes = get_args(events.Event)
    assert isinstance(events.Event, UnionType)
    assert {shape.__name__ for shape in shapes} >= {"ClientMoved", "Said", "StorageFailed"}
    for shape in shapes:
        assert getattr(events, shape.__name__) is shape
    assert len({shape.__name__ for shape in shapes}) == len(shapes)


def test_so_is_what_events_consist_of() -> None:
    for name in ("ClientMove", "Said", "Person", "Room", "ListedVisitor"):
        assert hasattr(public, name)
