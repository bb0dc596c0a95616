"""Completion for bash, zsh and fish, as typer writes it: at each Tab the shell asks the program."""

from collections.abc import Iterable
from typing import Final

from typer.completion import get_completion_script  # type: ignore[attr-defined]

from chatapp.commands.program import PROGRAM

_VARIABLE: Final = f"_{PROGRAM.upper()}_COMPLETE"


def documents() -> Iterable[tuple[str, str]]:
    """Return each file: its place below `contrib`, and its text."""
    return (
        (f"completion/bash/{PROGRAM}", _script("bash")),
        (f"completion/zsh/_{PROGRAM}", _as_function(_script("zsh"))),
        (f"completion/fish/{PROGRAM}.fish", _script("fish")),
    )


def _script(shell: str) -> str:
    script = get_completion_script(prog_name=PROGRAM, complete_var=_VARIABLE, shell=shell)
    return f"{script}\n"


def _as_function(script: str) -> str:
    """Return zsh's script as the body of a function of the same name, which zsh loads at the first
    Tab: it completes at once instead of announcing a function for the next Tab."""
    return script.replace(f"compdef _{PROGRAM}_completion {PROGRAM}", f'_{PROGRAM}_completion "$@"')
