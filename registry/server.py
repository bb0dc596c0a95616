"""This file is about `run`: a registry as a program of its own, with signals, lines for its operator and an exit status.

It knows signals and standard output; what a registry is made of, program.py knows.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from registry.config import raise_descriptor_limit
from registry.console import Console
from registry.program import Registry, Unable
from registry.rereading import Again, OurTerminal, Rereading
from registry.settings import Settings, desk_of, doors_of, policy_of
from wire.folders import path_of

_STOPPED: Final = 0
_FAILED: Final = 1
_INTERRUPTED: Final = 130
_GARBAGE_THRESHOLDS: Final = (50_000, 20, 50)
"""Looking for cycles among the rows of thousands of people holds the loop; hardly any are ever made."""


def run(*, port: int, settings: Settings, again: Again | None = None) -> int:
    """Be a registry until a signal comes; the exit status. `again` reads the settings once more, where there are files."""
    logging.basicConfig(
        level=settings.registry.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    raise_descriptor_limit()
    gc.set_threshold(*_GARBAGE_THRESHOLDS)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_until_signal(port, settings, again))
    except KeyboardInterrupt:  # before our own handler stood
        return _INTERRUPTED
    except Unable as error:
        _say(str(error))
        return _FAILED


async def _until_signal(port: int, settings: Settings, again: Again | None) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(status: int) -> None:
        if not stopped.done():
            stopped.set_result(status)

    registry = Registry(
        port,
        _data_of(settings),
        say=_say,
        desk=desk_of(settings.desk, utc_offset=time.localtime().tm_gmtoff),
        policy=policy_of(settings.registry),
        doors=doors_of(settings.registry),
    )
    rereading = None if again is None else Rereading(again, settings, registry.change_lists, _say)
    _heed_signals(loop, stop, rereading)
    await registry.start()
    if rereading is not None:
        rereading.open()
    # `ended` is Ctrl-D on a terminal; the end of a file or a pipe ends only the typing.
    console = Console(
        typed=registry.console_typed, closed=registry.close_console, ended=lambda: stop(_STOPPED)
    )
    gc.freeze()  # what was loaded stays: it need not be walked again and again
    try:
        if console.open():
            registry.open_console(console.show)
        return await stopped
    finally:
        if rereading is not None:
            rereading.stop()
        await registry.stop()
        await console.finish()


def _heed_signals(
    loop: asyncio.AbstractEventLoop, stop: Callable[[int], None], rereading: Rereading | None
) -> None:
    """SIGHUP reads files again where there are any, and ends the registry where there are none or its terminal is gone."""
    loop.add_signal_handler(signal.SIGTERM, stop, _STOPPED)
    loop.add_signal_handler(signal.SIGINT, stop, _INTERRUPTED)
    stops = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # whoever said nohup means it
    terminal = OurTerminal()

    def heed_hangup() -> None:
        if rereading is not None and not (stops and terminal.is_hung_up):
            rereading.ask()
        elif stops:
            stop(_STOPPED)

    if stops or rereading is not None:
        loop.add_signal_handler(signal.SIGHUP, heed_hangup)


def _data_of(settings: Settings) -> Path | None:
    named = settings.registry.data
    return None if named is None else path_of(named)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # not on every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _say(line: str) -> None:
    """One line for the operator. Nobody may be reading: that is no reason to stop."""
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            # So that the interpreter does not fail on the same bytes when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
