"""Messages that no registry of the cluster wrote: counted, and told in the log once a second at
most."""

import logging
from collections.abc import Callable
from typing import Final

WARN_SPAN: Final = 1.0
"""The least seconds between two lines in the log."""

_log = logging.getLogger(__name__)


class Strays:
    """The strays that one node has passed over in one place."""

    def __init__(self, cluster: str, place: str = "streams", *, now: Callable[[], float]) -> None:
        """`place`: where they were, for people."""
        self._cluster = cluster
        self._place = place
        self._now = now
        self._warned_at = float("-inf")
        self.count = 0
        """How many there were since the start."""

    def note(self, count: int = 1) -> None:
        """Count messages that were passed over, and warn of them, once in a while."""
        self.count += count
        if count and self._now() - self._warned_at >= WARN_SPAN:
            self._warned_at = self._now()
            _log.warning(
                "%s: %s messages in the %s were passed over: no registry of this cluster wrote them; look at who may "
                "publish there (docs/howto/cluster.md)",
                self._cluster,
                f"{self.count:,}",
                self._place,
            )
