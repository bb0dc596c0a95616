"""`ChatApp daemon`: the arguments of a peer without a face; `peer.faces.line.daemon` runs it."""

from typing import Final

import typer

from chatapp.commands.parsing import single_command
from chatapp.options import PeerOptions
from chatapp.starting import talk
from chatapp.validation import check_options


def daemon(words: list[str], options: PeerOptions) -> int:
    """Run a peer without a terminal, for other programs of yours to use."""
    check_options(words)
    return talk(words, options, is_daemon=True)


app: Final = single_command(
    daemon,
    PeerOptions,
    typer.Argument(
        metavar="NAME [SERVER-IP SERVER-PORT [CLIENT-PORT]]",
        help="As of ChatApp -c; by default the server of the last time, and any free port.",
    ),
    epilog="It prints one line when it is ready, and ends by SIGTERM. "
    "ChatApp -c NAME and ChatApp send attach to it.",
    but=("client", "plain", "full", "line", "quiet", "stay"),
)
