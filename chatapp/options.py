"""The options of a registry, a peer and a visitor, each written once: name, value, help, default.

Only a line with options loads typer, so annotations are read when it is loaded (see
`commands.parsing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from chatapp.preferences import FILE_NAME, Face
from chatapp.validation import Misuse

if TYPE_CHECKING:
    from typing import Annotated

    import typer

    from chatapp.commands.parsing import Code, Data, LogLevel, MaybeLogging, RegistryKey


LOG_VARIABLE: Final = "CHATAPP_LOG_LEVEL"
CONFIG_VARIABLE: Final = "CHATAPP_CONFIG"
DEFAULT_LOG_LEVEL: Final = "warning"


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What all three have."""

    data: Data = None
    log_level: MaybeLogging = None
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Show one event a line without colours, as on a pipe."),
    ] = False
    quiet: Annotated[
        bool | None,
        typer.Option(
            "--quiet/--no-quiet",
            help="Ring no bell, set no title, send no notice; "
            f"--no-quiet does, whatever {FILE_NAME} says.",
            show_default=False,
        ),
    ] = None

    def level(self) -> str | None:
        """Return how much to log; None for what is usual."""
        level: LogLevel | None = self.log_level
        return level and level.value


class RegistryOptions(Common, frozen=True, kw_only=True):
    """The options of `ChatApp -s`, but for those that are settings."""

    server: Annotated[bool, typer.Option("-s", "--server", help="Run the registry on <port>.")] = (
        False
    )
    port: Annotated[
        str | None, typer.Option(metavar="PORT", help="Its port, instead of the argument.")
    ] = None
    config: Annotated[
        str | None,
        typer.Option(metavar="FILE", envvar=CONFIG_VARIABLE, help="Its configuration file (TOML)."),
    ] = None


class ServerOptions(Common, frozen=True, kw_only=True):
    """What a peer and a visitor have: the server to go to."""

    host: Annotated[
        str | None,
        typer.Option(metavar="HOST", help="The server's address, instead of the argument."),
    ] = None
    port: Annotated[
        str | None, typer.Option(metavar="PORT", help="The server's port, instead of the argument.")
    ] = None
    registry_key: RegistryKey = None
    stay: Annotated[bool, typer.Option("--stay", help="Keep running when the input ends.")] = False


class PeerOptions(ServerOptions, frozen=True, kw_only=True):
    """The options of `ChatApp -c`."""

    client: Annotated[
        bool,
        typer.Option(
            "-c", "--client", help="Chat as a peer, by default at the server of the last time."
        ),
    ] = False
    full: Annotated[
        bool,
        typer.Option("--full", help="Use the whole terminal, with a list of conversations."),
    ] = False
    line: Annotated[
        bool, typer.Option("--line", help=f"Show lines and a prompt, whatever {FILE_NAME} says.")
    ] = False
    web: Annotated[
        bool,
        typer.Option("--web", help="Also serve a page for a browser on this machine."),
    ] = False
    room: Annotated[
        list[str] | None,
        typer.Option(metavar="ROOM", help="Enter this room at the start; may be given again."),
    ] = None
    ack_timeout: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds until a message without an answer is sent again (0.1 to 3; 0.5).",
        ),
    ] = None
    slow: Annotated[
        bool,
        typer.Option(
            "--slow",
            help="Spare a slow link, whatever is measured: a lease of five minutes.",
        ),
    ] = False
    downloads: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Where to put files that others give you (~/Downloads)."),
    ] = None
    seen: Annotated[
        bool,
        typer.Option("--seen", help="Exchange seen marks with people who want them, too."),
    ] = False
    code: Code = None

    def face(self) -> Face | None:
        """Return the face that is asked for, None for none. Raises Misuse for two of them."""
        asked = [
            face
            for face, is_asked in (
                (Face.FULL, self.full),
                (Face.LINE, self.line),
                (Face.PLAIN, self.plain),
            )
            if is_asked
        ]
        if len(asked) > 1:
            raise Misuse(f"use either --{asked[0].value} or --{asked[1].value}")
        return asked[0] if asked else None


class VisitorOptions(ServerOptions, frozen=True, kw_only=True):
    """The options of `ChatApp --desk`."""

    desk: Annotated[bool, typer.Option("--desk", help="Visit the help desk of a registry.")] = False
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="The queue to join.")] = None
    lang: Annotated[
        str | None,
        typer.Option(
            metavar="LANGUAGE",
            help="The language, en or hi; on a terminal that of LANG otherwise.",
        ),
    ] = None
