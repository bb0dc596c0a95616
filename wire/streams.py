"""This file is about the standard streams of a program that was started without some of them. It knows nothing else."""

import os
import sys


def open_closed_streams() -> None:
    """Standard streams that were closed for us become empty ones: else a socket takes their number, and is written to."""
    for descriptor, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken, which is this one; it stays open as long as the program runs.
            os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
