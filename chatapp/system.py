"""What ChatApp needs of the operating system."""

import importlib.util
from typing import Final

_NEEDED: Final = ("fcntl", "termios")
"""Modules of Python's library that only POSIX systems have: locks on files, and terminals."""


def unsupported() -> str | None:
    """Say why ChatApp cannot run here; None where it can."""
    missing = [module for module in _NEEDED if importlib.util.find_spec(module) is None]
    if not missing:
        return None
    return (
        "this system is not supported: ChatApp runs on Linux, macOS and other POSIX systems "
        f"(missing here: {', '.join(missing)})"
    )
