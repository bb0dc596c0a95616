"""`ChatApp names`: list the names that a registry has given out, or release one."""

from typing import Annotated, Final

import typer

from chatapp.commands.asking import AsJson, Data, Port, folder_of_registry, show_answer
from chatapp.commands.parsing import CONTEXT, command_line
from chatapp.validation import Misuse, check_options, counted
from chatapp.wire.errors import quoted

app: Final = command_line()


def _actions(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the first argument."""
    if context.params.get("words"):
        return []
    return [action for action in ("list", "release") if action.startswith(incomplete)]


@app.command(
    "names", epilog="Exit status: 0 done, 1 not done, 2 misused.", context_settings=CONTEXT
)
def names(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="list | release NAME", autocompletion=_actions)
    ] = None,
    port: Port = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """List every name with the fingerprint of its key, or release the name of somebody who is
    away."""
    words = words or []
    check_options(words)
    from chatapp.registry.rules.admin_requests import ListNames, ReleaseName

    match words:
        case ["list", *rest]:
            counted(rest, "names list", ())
            return show_answer(folder_of_registry(data, port), ListNames(), as_json=as_json)
        case ["release", *rest]:
            (name,) = counted(rest, "names release", ("name",))
            done = f"The name {quoted(name)} is free now"
            return show_answer(
                folder_of_registry(data, port), ReleaseName(name), as_json=as_json, done=done
            )
        case _:
            what = f'unknown action "{quoted(words[0])}"' if words else "choose one"
            raise Misuse(f"names: {what}: names list, or names release <name>")
