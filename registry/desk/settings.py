"""What the people who run a desk decide: its queues, its menu, its operators, and how patient it is.

It is a value: whoever reads a configuration file makes one.
"""

from typing import Final

import msgspec

from chatapp.wire.names import is_same_name

DEFAULT_QUEUE: Final = "desk"
DEFAULT_MENU: Final = (
    "Depression",
    "Getting Differentiated by School",
    "Weak in Academics (you may need to describe)",
    "Suggestion for Abroad Studies",
    "Financial Suggestions",
    "Other",
)


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Spans are in seconds. Whoever makes one keeps to the caps of `wire.limits` (DESK_QUEUES_MAX, DESK_MENU_MAX, ...)."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    """At least one; the first serves those who name none. Shown as they stand, compared by key."""
    menu: tuple[str, ...] = DEFAULT_MENU
    """The issues, number 1 first; at least one."""
    region: str = "IN"
    """Whose numbers are taken without a country code (`wire.desk.is_region`)."""
    keep_place: float = 60.0
    """How long the place of a visitor is kept whose link is lost, and after a restart of the registry."""
    operators: tuple[str, ...] = ()
    """Names and keys of the peers who may be operators (`--operator`), as typed: `registry.access` says whom they mean.
    With none, the registry's own terminal or standard input is on duty from the start."""
    operators_max: int = 32
    """Operators on duty at once, over all queues."""
    operator_grace: float = 15.0
    """How long an operator who vanished may take to come back, before their visitor is at the head of the line again."""
    pass_over_after: float = 1.0
    """A visitor who is out of reach for so long is passed over while others wait; the place is kept all the same."""
    restart_grace: float = 5.0
    """The same after a restart of the registry: everybody is out of reach then, and comes back in any order."""
    utc_offset: int = 0
    """Seconds that the registry's local time is ahead of UTC: figures of the day begin at local midnight."""

    def queue_named(self, name: str) -> str | None:
        """The queue of this name, as it stands here; the first one for an empty name. None: there is none."""
        if not name:
            return self.queues[0]
        return next((queue for queue in self.queues if is_same_name(queue, name)), None)
