"""How `invite` and `names` find the registry on this machine and ask it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chatapp.validation import Misuse, folder_from
from chatapp.wire.address import parse_port

if TYPE_CHECKING:
    from chatapp.registry.effects import AdminAnswer, AdminRequest

DATA_HELP: Final = "Where the registry keeps its files."
PORT_HELP: Final = "The registry's port, if several registries ran here."
FAILED: Final = 1


def folder_of_registry(data: str | None, port: str | None) -> Path:
    """Return the folder of a registry that has run at least once. Raises Misuse, AddressRefused."""
    wanted = None if port is None else parse_port(port, "--port")
    home = folder_from(data)
    from chatapp.registry.adminclient import folders_in
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
    """Return a registry's identity key. None, and a line on standard error, if it cannot be read."""
    from chatapp.registry.adminclient import AdminRequestFailed, key_of

    try:
        return key_of(folder)
    except AdminRequestFailed as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return None


def answer_to(folder: Path, request: "AdminRequest") -> "AdminAnswer | None":
    """Return the registry's answer. None, and a line on standard error, if it refuses or does not answer."""
    from chatapp.registry.adminclient import AdminRequestFailed, ask
    from chatapp.registry.texts import admin_refusal_text

    try:
        answer = ask(folder, request)
    except AdminRequestFailed as error:
        print(f"ChatApp: {error}", file=sys.stderr)
        return None
    if answer.refusal:
        print(f"ChatApp: {admin_refusal_text(answer)}", file=sys.stderr)
        return None
    return answer
