"""This file is about the last fence: a fault of ours, met while we listen, is told and counted; the program goes on.

The core is total, so nothing should ever get here. It must not know what is heard.
"""

import logging
from collections import Counter
from collections.abc import Callable

from wire.errors import quoted

_log = logging.getLogger("chatapp.peer")


def hear(listen: Callable[..., None], *what: object, now: float, dropped: Counter[str]) -> None:
    """Let `listen` have what came."""
    try:
        listen(*what, now=now)
    except Exception as error:  # noqa: BLE001 - whatever it is
        dropped["fault of ours"] += 1
        _log.error(
            "fault while listening: %s", quoted(repr(error)), exc_info=_log.isEnabledFor(logging.DEBUG)
        )
