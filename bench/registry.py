"""The registry under load: the real program in its own process and folder."""

import sys
from collections.abc import Sequence
from pathlib import Path

from bench.machine import CHECKOUT, Process, free_port

_SETTINGS = {"CHATAPP_LEASE": "3600", "CHATAPP_REQUESTS": "10000000"}
"""Members of a load send no signs of life and must not count as away during a measurement; and one of them requests as
much as a crowd would."""


class RegistryProcess(Process):
    """A running registry that listens."""

    def __init__(self, folder: Path, port: int | None = None, options: Sequence[str] = ()) -> None:
        self.port = port or free_port()
        self.folder = folder
        super().__init__(
            [sys.executable, CHECKOUT / "chatapp.py", "-s", str(self.port), "--data", str(folder), *options],
            env=_SETTINGS,
        )
        try:
            self.lines_until("listening")
        except BaseException:
            self.stop()
            raise
