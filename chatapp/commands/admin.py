"""`ChatApp admin`: what the administrator of a registry sees and does while it runs."""

import re
from typing import Annotated, Any, Final

import typer
import typer.core

from chatapp.commands.asking import AsJson, Data, Port, folder_of_registry, show_answer
from chatapp.commands.names import invite
from chatapp.commands.parsing import HELP
from chatapp.validation import Misuse, counted
from chatapp.wire.errors import quoted
from chatapp.wire.limits import ANNOUNCEMENT_MAX

_EPILOG: Final = "Exit status: 0 done, 1 not done, 2 misused."
_SPAN: Final = re.compile(r"([0-9]{1,6})(s|m|h|d)?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_KICK_FOR: Final = "1m"
_LOG_SHOWN: Final = "20"
_BEFORE: Final = {"--port": 1, "--data": 1, "--json": 0}
"""The options of every command, which may stand before it, with how many words follow each."""

Name = Annotated[str, typer.Argument(metavar="NAME")]
Level = Annotated[str, typer.Argument(metavar="LEVEL")]
Room = Annotated[list[str], typer.Argument(metavar="close ROOM | kick ROOM NAME | topic ROOM TEXT")]
Mail = Annotated[list[str] | None, typer.Argument(metavar="[purge NAME]")]
Lines = Annotated[str, typer.Option("--count", metavar="N", help="How many lines, the newest.")]
BanFor = Annotated[
    str | None,
    typer.Option(
        "--for", metavar="SPAN", help="How long it holds, such as 2h, 7d; without it for good."
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="What the banned are told.")]
Ban = Annotated[str, typer.Argument(metavar="KEY|NAME|ADDRESS|NETWORK")]
Words = Annotated[list[str], typer.Argument(metavar="TEXT")]
Why = Annotated[list[str] | None, typer.Argument(metavar="[REASON]")]
KickFor = Annotated[
    str, typer.Option("--for", metavar="SPAN", help="How long they stay out, such as 30s, 5m, 2h.")
]
StopIn = Annotated[
    str | None,
    typer.Option("--in", metavar="SPAN", help="When to stop, such as 10m; without it at once."),
]
Cancel = Annotated[bool, typer.Option("--cancel", help="Cancel the planned stop.")]


class AnyOrder(typer.core.TyperGroup):
    """A group of commands whose common options may also stand before the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the options before the command behind it."""
        taken = 0
        while taken < len(args) and (option := args[taken].partition("="))[0] in _BEFORE:
            taken += 1 if option[1] else 1 + _BEFORE[option[0]]
        if 0 < taken < len(args):
            args = [args[taken], *args[:taken], *args[taken + 1 :]]
        return list(super().parse_args(ctx, args))


admin_app: Final = typer.Typer(
    cls=AnyOrder,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings=HELP,
    help="Watch and steer a registry that runs on this machine. The options --port, --data and --json may stand before "
    "or behind the command.",
    epilog=_EPILOG,
)
admin_app.command("invite", epilog=_EPILOG)(invite)


def seconds_of(text: str, option: str, *, most: int) -> int:
    """Return a span in seconds. Raises Misuse."""
    found = _SPAN.fullmatch(text)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 1 <= seconds <= most:
        raise Misuse(
            f'{option}: "{quoted(text)}" is not a span from 1s to {most // 3_600}h, such as 30s, 10m or 2h'
        )
    return seconds


def _joined(words: list[str], what: str) -> str:
    text = " ".join(words)
    if len(text) > ANNOUNCEMENT_MAX:
        raise Misuse(f"{what}: {len(text):,} characters are too many; at most {ANNOUNCEMENT_MAX:,}")
    return text


@admin_app.command("who")
def who(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the people who are online."""
    from chatapp.registry.rules.admin_requests import ShowOnline

    return show_answer(folder_of_registry(data, port), ShowOnline(), as_json=as_json)


@admin_app.command("table")
def table(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List everybody in the table: name, address, port, presence, rooms, key."""
    from chatapp.registry.rules.admin_requests import ShowTable

    return show_answer(folder_of_registry(data, port), ShowTable(), as_json=as_json)


@admin_app.command("rooms")
def rooms(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the rooms."""
    from chatapp.registry.rules.admin_requests import ShowRooms

    return show_answer(folder_of_registry(data, port), ShowRooms(), as_json=as_json)


@admin_app.command("mail", epilog=_EPILOG)
def mail(words: Mail = None, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the mailboxes with waiting letters, which nobody here can read, or delete what waits for
    somebody."""
    from chatapp.registry.rules.admin_requests import PurgeMail, ShowMail

    match words or []:
        case []:
            return show_answer(folder_of_registry(data, port), ShowMail(), as_json=as_json)
        case ["purge", *rest]:
            (name,) = counted(rest, "mail purge", ("name",))
            done = f"the letters for {quoted(name)} are deleted"
            return show_answer(
                folder_of_registry(data, port), PurgeMail(name), as_json=as_json, done=done
            )
        case [other, *_]:
            raise Misuse(f'mail: unknown action "{quoted(other)}": mail, or mail purge <name>')
    raise AssertionError


@admin_app.command("room", epilog=_EPILOG)
def room(words: Room, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Close a room and delete its lines, put somebody out of it, or set its topic (an empty text
    clears it)."""
    from chatapp.registry.rules.admin_requests import (
        AdminRequest,
        CloseRoom,
        KickFromRoom,
        SetRoomTopic,
    )
    from chatapp.wire.limits import TOPIC_MAX

    request: AdminRequest
    match words:
        case ["close", *rest]:
            (of,) = counted(rest, "room close", ("room",))
            request, done = CloseRoom(of), f"{quoted(of)} is closed"
        case ["kick", *rest]:
            of, name = counted(rest, "room kick", ("room", "name"))
            request, done = KickFromRoom(of, name), f"{quoted(name)} is out of {quoted(of)}"
        case ["topic", of, *text]:
            topic = " ".join(text)
            if len(topic) > TOPIC_MAX:
                raise Misuse(
                    f"room topic: {len(topic):,} characters are too many; at most {TOPIC_MAX:,}"
                )
            request, done = SetRoomTopic(of, topic), f"the topic of {quoted(of)} is set"
        case _:
            what = (
                f'unknown action "{quoted(words[0])}"' if words[0] != "topic" else "missing: <room>"
            )
            raise Misuse(
                f"room: {what}: room close <room>, room kick <room> <name>, or room topic <room> <text>"
            )
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done=done)


@admin_app.command("show", epilog=_EPILOG)
def show(name: Name, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Show all that the registry knows of somebody."""
    from chatapp.registry.rules.admin_requests import ShowPerson

    return show_answer(folder_of_registry(data, port), ShowPerson(name), as_json=as_json)


@admin_app.command("erase", epilog=_EPILOG)
def erase(name: Name, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Delete all that the registry keeps of somebody who is away."""
    from chatapp.registry.rules.admin_requests import ErasePerson

    return show_answer(folder_of_registry(data, port), ErasePerson(name), as_json=as_json)


@admin_app.command("log", epilog=_EPILOG)
def log(
    count: Lines = _LOG_SHOWN, port: Port = None, data: Data = None, as_json: AsJson = False
) -> int:
    """Show who has asked the registry for what: the newest lines of admin.log in its folder."""
    from chatapp.registry.rules.admin_requests import LOG_SHOWN_MAX, ShowLog

    if not (count.isdecimal() and len(count) < 9 and 1 <= int(count) <= LOG_SHOWN_MAX):
        raise Misuse(f'--count: "{quoted(count)}" is not a whole number from 1 to {LOG_SHOWN_MAX}')
    return show_answer(folder_of_registry(data, port), ShowLog(int(count)), as_json=as_json)


@admin_app.command("log-level", epilog=_EPILOG)
def log_level(level: Level, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Log more or less, until the registry ends: debug, info, warning, error or critical."""
    from chatapp.registry.rules.admin_requests import SetLogLevel
    from chatapp.registry.telemetry.logs import LOG_LEVELS

    found = next((known for known in LOG_LEVELS if known == level.lower()), None)
    if found is None:
        raise Misuse(f'log-level: "{quoted(level)}" is not one of {", ".join(LOG_LEVELS)}')
    done = f"the registry logs from {found} on"
    return show_answer(
        folder_of_registry(data, port), SetLogLevel(found), as_json=as_json, done=done
    )


@admin_app.command("queue")
def queue(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the visitors of the help desk: who is served, and who waits."""
    from chatapp.registry.rules.admin_requests import ShowQueue

    return show_answer(folder_of_registry(data, port), ShowQueue(), as_json=as_json)


@admin_app.command("stats")
def stats(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Show the registry's figures, and those of its help desk."""
    from chatapp.registry.rules.admin_requests import ShowStats

    return show_answer(folder_of_registry(data, port), ShowStats(), as_json=as_json)


@admin_app.command("kick", epilog=_EPILOG)
def kick(
    name: Name,
    span: KickFor = _KICK_FOR,
    port: Port = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Disconnect somebody, and keep them out for a while."""
    from chatapp.registry.rules.admin_requests import KICK_SPAN_MAX, KickPerson

    request = KickPerson(name, seconds_of(span, "--for", most=KICK_SPAN_MAX))
    done = f"{quoted(name)} is disconnected, and may come back in {span}"
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done=done)


@admin_app.command("ban", epilog=_EPILOG)
def ban(
    what: Ban,
    span: BanFor = None,
    reason: Reason = "",
    port: Port = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Ban a key, a name, an address or a network, for a while or for good. It outlasts restarts."""
    from chatapp.registry.rules.admin_requests import BAN_SPAN_MAX, AddBan
    from chatapp.wire.limits import EXCLUSION_TEXT_MAX

    if len(reason) > EXCLUSION_TEXT_MAX:
        raise Misuse(
            f"--reason: {len(reason):,} characters are too many; at most {EXCLUSION_TEXT_MAX:,}"
        )
    seconds = 0 if span is None else seconds_of(span, "--for", most=BAN_SPAN_MAX)
    done = f"{quoted(what)} is banned" + (f" for {span}" if span else "")
    request = AddBan(what, seconds, reason)
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done=done)


@admin_app.command("unban", epilog=_EPILOG)
def unban(what: Ban, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Lift a ban that was made by ChatApp admin ban."""
    from chatapp.registry.rules.admin_requests import LiftBan

    done = f"{quoted(what)} is not banned any more"
    return show_answer(folder_of_registry(data, port), LiftBan(what), as_json=as_json, done=done)


@admin_app.command("bans")
def bans(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the bans that were made by ChatApp admin ban."""
    from chatapp.registry.rules.admin_requests import ListBans

    return show_answer(folder_of_registry(data, port), ListBans(), as_json=as_json)


@admin_app.command("announce", epilog=_EPILOG)
def announce(text: Words, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Tell everybody who is connected, visitors of the help desk too."""
    from chatapp.registry.rules.admin_requests import Announce

    request = Announce(_joined(text, "announce"))
    return show_answer(
        folder_of_registry(data, port), request, as_json=as_json, done="everybody is told"
    )


@admin_app.command("release", epilog=_EPILOG)
def release(name: Name, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Release the name of somebody who is away."""
    from chatapp.registry.rules.admin_requests import ReleaseName

    done = f"The name {quoted(name)} is free now"
    return show_answer(
        folder_of_registry(data, port), ReleaseName(name), as_json=as_json, done=done
    )


@admin_app.command("reload", epilog=_EPILOG)
def reload(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Read the access lists again, as SIGHUP does."""
    from chatapp.registry.rules.admin_requests import ReloadLists

    return show_answer(folder_of_registry(data, port), ReloadLists(), as_json=as_json)


@admin_app.command("stop", epilog=_EPILOG)
def stop(
    reason: Why = None,
    within: StopIn = None,
    cancel: Cancel = False,
    port: Port = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Stop the registry, at once or at a planned time that everybody is told."""
    from chatapp.registry.rules.admin_requests import (
        STOP_SPAN_MAX,
        AdminRequest,
        CancelStop,
        StopRegistry,
    )

    if cancel and (reason or within):
        raise Misuse("stop: --cancel goes without a time and a reason")
    if reason and not within:
        raise Misuse("stop: a reason is told only before a planned stop: say --in, too")
    request: AdminRequest
    if cancel:
        request, done = CancelStop(), "the planned stop is cancelled, and everybody is told"
    elif within:
        span = seconds_of(within, "--in", most=STOP_SPAN_MAX)
        request, done = (
            StopRegistry(span, _joined(reason or [], "stop")),
            f"the registry stops in {within}",
        )
    else:
        request, done = StopRegistry(), "the registry stops"
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done=done)
