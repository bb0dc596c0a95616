"""What ChatApp needs of the operating system, and of the packages beside it."""

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
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


def load_without(module: str, absent: str) -> None:
    """Load a module as if another one, which it can do without, were not here. Code that needs that
    one can still import it."""
    if module in sys.modules or absent in sys.modules:
        return
    sys.modules[absent] = None  # type: ignore[assignment]
    try:
        importlib.import_module(module)
    finally:
        del sys.modules[absent]


@contextlib.contextmanager
def needing_packages() -> Iterator[None]:
    """While modules are loaded: end the program with one line if a package of others is missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package in ("", "chatapp"):
            raise
        sys.exit(
            f"ChatApp: {package} is not installed here; type: make install, then .venv/bin/ChatApp"
        )
