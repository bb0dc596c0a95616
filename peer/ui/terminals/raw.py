"""Holding the terminal: keys come as they are pressed, from before anything is shown until the end.

The line discipline of a terminal edits lines, echoes keys and takes Ctrl-D and Ctrl-C for itself. A program that takes
that over only while it waits for a line loses what is pressed in between. It knows terminal modes, not what keys mean.
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
    """The terminal at a descriptor. What it was like before is restored at the end, whatever the end is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take(self) -> None:
        """From now on each key comes at once, as it is, without an echo; output is still made of lines."""
        modes = termios.tcgetattr(self._descriptor)
        modes[_LFLAG] &= ~_LOCAL
        modes[_IFLAG] &= ~_INPUT
        modes[_CC][termios.VMIN] = 1
        termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)

    def give_back(self) -> None:
        """As it was before. A terminal that is gone, or that another program has now, is left alone."""
        with contextlib.suppress(OSError, termios.error):
            if os.tcgetpgrp(self._descriptor) == os.getpgrp():
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)

    def suspend(self) -> None:
        """Stop, as Ctrl-Z asks; returns when the program is let go on."""
        self.give_back()
        os.kill(0, signal.SIGTSTP)
        self.take()
