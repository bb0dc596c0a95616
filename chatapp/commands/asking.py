"""How the commands of a registry's administrator find the registry on this machine and ask it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from chatapp.validation import Misuse, folder_from
from chatapp.wire.address import parse_port

if TYPE_CHECKING:
    from chatapp.registry.rules.admin_requests import AdminAnswer, AdminRequest

DATA_HELP: Final = "Where the registry keeps its files."
PORT_HELP: Final = "The registry's port, if several registries ran here."
JSON_HELP: Final = "Print the answer as one JSON object."
FAILED: Final = 1

Port: TypeAlias = Annotated[str | None, typer.Option(metavar="PORT", help=PORT_HELP)]
Data: TypeAlias = Annotated[str | None, typer.Option(metavar="DIR", help=DATA_HELP)]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


def folder_of_registry(data: str | None, port: str | None) -> Path:
    """Return the folder of a registry that has run at least once. Raises Misuse, AddressRefused."""
    wanted = None if port is None else parse_port(port, "--port")
    home = folder_from(data)
    from chatapp.registry.program.admin.client import folders_in
    from chatapp.wire.folders import default_home

    home = home or default_home()
    found = folders_in(home)
    if wanted is not None:
        found = [folder for folder in found if folder.name == str(wanted)]
    if not found:
        of_port = "" if wanted is None else f" on port {wanted}"
        raise Misuse(f"no registry{of_port} has its files in {home}")
    if len(found) > 1:
        ports = ", ".join(folder.name for folder in found)
        raise Misuse(f"several registries have their files in {home}: say --port, one of {ports}")
    return found[0]


def key_of_registry(folder: Path) -> bytes | None:
    """Return a registry's identity key. None, and a line on standard error, if it cannot be
    read."""
    from chatapp.registry.program.admin.client import AdminRequestFailed, key_of

    try:
        return key_of(folder)
    except AdminRequestFailed as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return None


def answer_to(folder: Path, request: "AdminRequest") -> "AdminAnswer | None":
    """Return the registry's answer. None, and a line on standard error, if it refuses or does not
    answer."""
    from chatapp.registry.program.admin.client import AdminRequestFailed, ask
    from chatapp.registry.program.admin.texts import refusal_text
    from chatapp.registry.rules.admin_requests import AdminRefused

    try:
        answer = ask(folder, request)
    except AdminRequestFailed as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return None
    if isinstance(answer, AdminRefused):
        print(f"ChatApp: {refusal_text(answer)}", file=sys.stderr)
        return None
    return answer


def show_answer(
    folder: Path, request: "AdminRequest", *, as_json: bool = False, done: str = ""
) -> int:
    """Ask a registry and print its answer. Return the exit status. `done`: the line for an answer
    that says no more than that the request was done."""
    answer = answer_to(folder, request)
    if answer is None:
        return FAILED
    show(answer, as_json=as_json, done=done)
    return 0


def show(answer: "AdminAnswer", *, as_json: bool = False, done: str = "") -> None:
    """Print a registry's answer. `done`: as for `show_answer`."""
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode(answer).decode())
        return
    from chatapp.registry.program.admin.texts import lines_of

    for line in lines_of(answer) or ([done] if done else []):
        typer.echo(line)
