"""A registry that says how much memory it has allocated, and whose limits are low.

python -m tests.faults.registry <report> <words of ChatApp>

It runs ChatApp, and a thread of it writes the bytes that are allocated into the report every few
seconds. A soak cannot tell a table without a limit from one that fills for longer than the soak
runs, so the largest tables of the registry get limits that are reached in its first half.
"""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

from chatapp.wire import limits
from tests.faults.machine import allocated

EVERY: Final = 5.0
LOW: Final = {
    "ROOM_LINES_MAX": 150,
    "DESK_SESSIONS_MAX": 64,
    "DESK_UNTOLD_MAX": 16,
    "BUCKETS_MAX": 300,
}
"""Limits of `chatapp.wire.limits`. With 200 bots a room gets about 25 lines a minute, and the desk
16 visits. Limiters of requests are kept for each person, or for each pair of people."""
ENDED_REMEMBERED: Final = 512
"""Of `chatapp.registry.edge.links`. With 200 bots 100 links end in a minute."""


def lower_limits() -> None:
    """Lower the limits. The modules that use them must not be loaded before."""
    assert "chatapp.registry.rules.rooms.room" not in sys.modules
    assert LOW.keys() <= vars(limits).keys()
    vars(limits).update(LOW)
    from chatapp.registry.edge import links

    assert links.ENDED_REMEMBERED > ENDED_REMEMBERED
    vars(links)["ENDED_REMEMBERED"] = ENDED_REMEMBERED


def allocated_by(report: Path) -> int:
    """Return the bytes in a report; 0 if the registry has not written one."""
    return int(report.read_text()) if report.exists() else 0


def _write(report: Path) -> None:
    while True:
        new = report.with_suffix(".new")
        new.write_text(str(allocated()))
        os.replace(new, report)
        time.sleep(EVERY)


def main() -> None:
    """Run the command line."""
    report = Path(sys.argv.pop(1))
    lower_limits()
    from chatapp.__main__ import main as run_chatapp

    threading.Thread(target=_write, args=(report,), daemon=True).start()
    sys.exit(run_chatapp())


if __name__ == "__main__":
    main()
