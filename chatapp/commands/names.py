"""Who may have a name at a registry: `ChatApp names` lists those given out, or releases one, and `ChatApp
invite` makes join codes, whether the registry runs or not."""

import os
from typing import Annotated, Final

import typer

from chatapp.commands.asking import (
    FAILED,
    AsJson,
    Data,
    Port,
    answer_to,
    folder_of_registry,
    key_of_registry,
    show_answer,
)
from chatapp.commands.parsing import CONTEXT, HELP, command_line
from chatapp.validation import Misuse, check_options, counted, whole_number_from
from chatapp.wire.errors import quoted
from chatapp.wire.limits import INVITES_MAX

names_app: Final = command_line()


def _actions(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the first argument."""
    if context.params.get("words"):
        return []
    return [action for action in ("list", "release") if action.startswith(incomplete)]


@names_app.command(
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


Count = Annotated[str, typer.Option(metavar="N", help=f"How many codes, 1 to {INVITES_MAX}.")]

invite_app: Final = command_line()


@invite_app.command(
    "invite", epilog="Exit status: 0 made, 1 not made, 2 misused.", context_settings=HELP
)
def invite(
    count: Count = "1", port: Port = None, data: Data = None, as_json: AsJson = False
) -> int:
    """Print new join codes, one a line: each lets one newcomer in, within 7 days."""
    number = whole_number_from(count, "--count", least=1, most=INVITES_MAX)
    folder = folder_of_registry(data, port)
    from chatapp.registry.rules.admin_requests import MakeInvites
    from chatapp.wire.admission import CODE_BYTES, JoinCode

    registry = key_of_registry(folder)
    if registry is None:
        return FAILED
    codes = [JoinCode.generate(os.urandom(CODE_BYTES), registry=registry) for _ in range(number)]
    if answer_to(folder, MakeInvites([code.public for code in codes])) is None:
        return FAILED
    texts = [code.text for code in codes]
    if as_json:
        import json

        typer.echo(json.dumps({"type": "codes", "codes": texts}))
        return 0
    for text in texts:
        typer.echo(text)
    return 0
