"""`ChatApp invite`: make join codes, whether the registry runs or not."""

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
)
from chatapp.commands.parsing import HELP, command_line
from chatapp.validation import whole_number_from
from chatapp.wire.limits import INVITES_MAX

Count = Annotated[str, typer.Option(metavar="N", help=f"How many codes, 1 to {INVITES_MAX}.")]

app: Final = command_line()


@app.command("invite", epilog="Exit status: 0 made, 1 not made, 2 misused.", context_settings=HELP)
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
