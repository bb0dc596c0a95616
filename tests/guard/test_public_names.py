"""The public modules have every event, and all that events are made of: whoever adds one adds it
there."""

import inspect
from typing import Any, get_args

from chatapp import events as public
from chatapp.peer.api import events

EVENTS: tuple[Any, ...] = get_args(events.Event)


def test_the_public_module_has_every_event_and_all_that_events_are_made_of() -> None:
    made_here = {
        name
        for name, one in vars(events).items()
        if inspect.isclass(one) and one.__module__ == events.__name__ and not name.startswith("_")
    }
    assert made_here <= set(public.__all__)
    assert all(getattr(public, name) is getattr(events, name) for name in made_here)
    tags = [one.__struct_config__.tag for one in EVENTS]
    assert tags == [one.__name__ for one in EVENTS], "each has its name as its tag"
