"""The program's entry: it chooses what reads the command line, and reports what is wrong with
it."""

import gc
import signal
import sys

if __name__ == "__main__" or sys.argv[0].endswith("ChatApp"):
    # While modules load, Ctrl-C ends the program at once. Later each mode installs a handler of its
    # own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Nothing that loading makes is garbage, and looking for some takes a twentieth of a start. Each
    # program turns the collector on when it is loaded.
    gc.disable()

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from chatapp.commands import COMMANDS
from chatapp.system import load_without, needing_packages, unsupported

with needing_packages():
    # msgspec needs nothing of it from Python 3.11 on, and with it come 6 ms and 0.8 MiB.
    load_without("msgspec", "typing_extensions")

    from msgspec import structs

    from chatapp.options import CONFIG_VARIABLE, LOG_VARIABLE, PeerOptions
    from chatapp.questions import InputEnded
    from chatapp.starting import (
        open_closed_streams,
        serve,
        talk,
        visit,
    )
    from chatapp.validation import Misuse
    from chatapp.wire.errors import AddressRefused, NameRefused

_PLAIN_MODES: Final[Mapping[str, Callable[[Sequence[str]], int]]] = {
    "-s": serve,
    "-c": talk,
    "--desk": visit,
    "daemon": partial(talk, is_daemon=True),
}
_PEER_MODE: Final = "-c"
_FLAGS: Final = frozenset({"--full", "--line", "--plain", "--stay"})
"""Options of a peer that are no reason to load typer."""

_COMPLETE_VARIABLE: Final = "_CHATAPP_COMPLETE"
"""The variable by which a shell asks how a line can go on."""

_DONE: Final = 0
_FAILED: Final = 1
_MISUSED: Final = 2


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (default: the program's own) and return the exit status; 2 for a
    mistake in it."""
    if why := unsupported():
        print(f"ChatApp: {why}", file=sys.stderr)
        return _FAILED
    open_closed_streams()
    words = list(sys.argv[1:] if args is None else args)
    try:
        with needing_packages():
            status = _run_plain(words) if _is_plain(words) else _run(words)
        sys.stdout.flush()
    except OSError as error:
        return _unable(error)
    except (Misuse, NameRefused, AddressRefused) as mistake:
        return _misused(str(mistake))
    except InputEnded:
        return _DONE
    return status


def _is_plain(words: Sequence[str]) -> bool:
    """Whether a line is a mode and its arguments, without an option, on the line or in the
    environment, but for those that say which face a peer has."""
    variables = (LOG_VARIABLE, CONFIG_VARIABLE, _COMPLETE_VARIABLE)
    return (
        bool(words)
        and words[0] in _PLAIN_MODES
        and not any(
            word.startswith("-") and not (word in _FLAGS and words[0] == _PEER_MODE)
            for word in words[1:]
        )
        and not any(variable in os.environ for variable in variables)
    )


def _run_plain(words: Sequence[str]) -> int:
    """Run a plain line without typer, whose loading takes a tenth of a start and 3 MiB.
    `chatapp.commands.program` would do the same."""
    if flags := {word.removeprefix("--"): True for word in words if word in _FLAGS}:
        options = structs.replace(PeerOptions(), **flags)
        return talk([word for word in words[1:] if word not in _FLAGS], options)
    return _PLAIN_MODES[words[0]](words[1:])


def _run(words: list[str]) -> int:
    import typer

    from chatapp.commands.program import run

    if words and words[0] in COMMANDS:
        gc.enable()
    try:
        status = run(words, _COMPLETE_VARIABLE)
    except typer.TyperException as mistake:
        return _misused(mistake.format_message())
    except typer.Abort:
        return _FAILED
    return status if isinstance(status, int) else 0


def _unable(error: OSError) -> int:
    """Report an error of standard output, or of a file; a closed pipe is no error. Returns the exit
    status."""
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), 1
    )  # otherwise the interpreter reports the error once more when it exits
    if isinstance(error, BrokenPipeError):
        return 0
    print(
        f"ChatApp: {error.filename or 'standard output'}: {error.strerror or error}",
        file=sys.stderr,
    )
    return _FAILED


def _misused(why: str) -> int:
    print(f"ChatApp: {why}", file=sys.stderr)
    return _MISUSED


if __name__ == "__main__":
    sys.exit(main())
