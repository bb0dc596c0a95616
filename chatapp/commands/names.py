"""`ChatApp names`: list the names that a registry has given out, or release one."""

import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from chatapp.commands.asking import DATA_HELP, FAILED, PORT_HELP, answer_to, folder_of_registry
from chatapp.options import CONTEXT, command_line
from chatapp.validation import Misuse, check_options, counted
from chatapp.wire.errors import quoted

app: Final = command_line()


def _actions(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the first argument."""
    if context.params.get("words"):
        return []
    return [action for action in ("list", "release") if action.startswith(incomplete)]


@app.command("names", epilog="Exit status: 0 done, 1 not done, 2 misused.", context_settings=CONTEXT)
def names(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="list | release NAME", autocompletion=_actions)
    ] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help=PORT_HELP)] = None,
    data: Annotated[str | None, typer.Option(metavar="DIR", help=DATA_HELP)] = None,
) -> int:
    """List every name with the fingerprint of its key, or release the name of somebody who is away."""
    words = words or []
    check_options(words)
    match words:
        case ["list", *rest]:
            counted(rest, "names list", ())
            return _list(data, port)
        case ["release", *rest]:
            (name,) = counted(rest, "names release", ("name",))
            return _release(name, data, port)
        case _:
            what = f'unknown action "{quoted(words[0])}"' if words else "choose one"
            raise Misuse(f"names: {what}: names list, or names release <name>")


def _list(data: str | None, port: str | None) -> int:
    folder = folder_of_registry(data, port)
    from chatapp.registry.effects import ListNames
    from chatapp.wire.identity import fingerprint

    answer = answer_to(folder, ListNames())
    if answer is None:
        return FAILED
    _print([(one.name, fingerprint(one.identity), one.state, _time(one.since)) for one in answer.names])
    return 0


def _print(rows: Sequence[tuple[str, str, str, str]]) -> None:
    for name, key, state, since in rows:
        typer.echo(f"{name:<32}  {key}  {state}{since}")


def _time(seconds: int) -> str:
    return f" since {time.strftime('%Y-%m-%d %H:%M', time.localtime(seconds))}" if seconds else ""


def _release(name: str, data: str | None, port: str | None) -> int:
    folder = folder_of_registry(data, port)
    from chatapp.registry.effects import ReleaseName

    if answer_to(folder, ReleaseName(name)) is None:
        return FAILED
    typer.echo(f"{quoted(name)} can be taken by anybody now")
    return 0
