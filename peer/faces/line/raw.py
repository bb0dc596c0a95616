"""Raw mode: keys arrive as they are pressed, from before anything is shown until the program ends.

Without it, the terminal edits lines, echoes keys and keeps Ctrl-D and Ctrl-C for itself. A program
that is in raw mode only while it waits for a line loses the keys that are pressed in between.
"""

import contextlib
import os
import signal
import termios
from contextlib import AbstractContextManager
from typing import Final, Self

_LFLAG, _IFLAG, _CC = 3, 0, 6
_LOCAL: Final = termios.ECHO | termios.ICANON | termios.IEXTEN | termios.ISIG
_INPUT: Final = termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR


class RawTerminal(AbstractContextManager["RawTerminal"]):
    """A terminal in raw mode. Its former modes are restored at the end, also after an exception."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take(self) -> None:
        """Turn raw mode on: each key comes at once and unchanged, without an echo. Output is still
        processed as lines."""
        modes = termios.tcgetattr(self._descriptor)
        modes[_LFLAG] &= ~_LOCAL
        modes[_IFLAG] &= ~_INPUT
        modes[_CC][termios.VMIN] = 1
        termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)

    def give_back(self) -> None:
        """Restore the former modes. A terminal that is gone, or that belongs to another program
        now, is left alone."""
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(self._descriptor) == os.getpgrp():
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)

    def suspend(self) -> None:
        """Stop the program, as Ctrl-Z asks. Returns when it is continued."""
        self.give_back()
        os.kill(0, signal.SIGTSTP)
        self.take()
