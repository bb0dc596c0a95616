"""`ChatApp admin`: what the administrator of a registry sees and does while it runs."""

import re
from typing import Annotated, Final

import typer

from chatapp.commands.asking import AsJson, Data, Port, folder_of_registry, show_answer
from chatapp.commands.invite import invite
from chatapp.options import HELP
from chatapp.validation import Misuse
from chatapp.wire.errors import quoted
from chatapp.wire.limits import ANNOUNCEMENT_MAX

_EPILOG: Final = "Exit status: 0 done, 1 not done, 2 misused."
_SPAN: Final = re.compile(r"([0-9]{1,6})(s|m|h|d)?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_KICK_FOR: Final = "1m"

Name = Annotated[str, typer.Argument(metavar="NAME")]
Ban = Annotated[str, typer.Argument(metavar="KEY|NAME|ADDRESS|NETWORK")]
Words = Annotated[list[str], typer.Argument(metavar="TEXT")]
Why = Annotated[list[str] | None, typer.Argument(metavar="[REASON]")]
KickFor = Annotated[
    str, typer.Option("--for", metavar="SPAN", help="How long they stay out, such as 30s, 5m, 2h.")
]
StopIn = Annotated[
    str | None, typer.Option("--in", metavar="SPAN", help="When to stop, such as 10m; without it at once.")
]
Cancel = Annotated[bool, typer.Option("--cancel", help="Cancel the planned stop.")]

app: Final = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings=HELP,
    help="Watch and steer a registry that runs on this machine.",
    epilog=_EPILOG,
)
app.command("invite", epilog=_EPILOG)(invite)


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


@app.command("who")
def who(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the people who are online."""
    from chatapp.registry.admin.messages import ShowOnline

    return show_answer(folder_of_registry(data, port), ShowOnline(), as_json=as_json)


@app.command("table")
def table(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List everybody in the table: name, address, port, presence, room, key."""
    from chatapp.registry.admin.messages import ShowTable

    return show_answer(folder_of_registry(data, port), ShowTable(), as_json=as_json)


@app.command("rooms")
def rooms(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the rooms."""
    from chatapp.registry.admin.messages import ShowRooms

    return show_answer(folder_of_registry(data, port), ShowRooms(), as_json=as_json)


@app.command("mail")
def mail(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the mailboxes with waiting letters; nobody here can read them."""
    from chatapp.registry.admin.messages import ShowMail

    return show_answer(folder_of_registry(data, port), ShowMail(), as_json=as_json)


@app.command("queue")
def queue(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the visitors of the help desk: who is served, and who waits."""
    from chatapp.registry.admin.messages import ShowQueue

    return show_answer(folder_of_registry(data, port), ShowQueue(), as_json=as_json)


@app.command("stats")
def stats(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Show the registry's figures, and those of its help desk."""
    from chatapp.registry.admin.messages import ShowStats

    return show_answer(folder_of_registry(data, port), ShowStats(), as_json=as_json)


@app.command("kick", epilog=_EPILOG)
def kick(
    name: Name, span: KickFor = _KICK_FOR, port: Port = None, data: Data = None, as_json: AsJson = False
) -> int:
    """Disconnect somebody, and keep them out for a while."""
    from chatapp.registry.admin.messages import KICK_SPAN_MAX, KickPerson

    request = KickPerson(name, seconds_of(span, "--for", most=KICK_SPAN_MAX))
    done = f"{quoted(name)} is disconnected, and may come back in {span}"
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done=done)


@app.command("ban", epilog=_EPILOG)
def ban(what: Ban, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Ban a key, a name, an address or a network. It outlasts restarts."""
    from chatapp.registry.admin.messages import AddBan

    done = f"{quoted(what)} is banned"
    return show_answer(folder_of_registry(data, port), AddBan(what), as_json=as_json, done=done)


@app.command("unban", epilog=_EPILOG)
def unban(what: Ban, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Lift a ban that was made by ChatApp admin ban."""
    from chatapp.registry.admin.messages import LiftBan

    done = f"{quoted(what)} is not banned any more"
    return show_answer(folder_of_registry(data, port), LiftBan(what), as_json=as_json, done=done)


@app.command("bans")
def bans(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """List the bans that were made by ChatApp admin ban."""
    from chatapp.registry.admin.messages import ListBans

    return show_answer(folder_of_registry(data, port), ListBans(), as_json=as_json)


@app.command("announce", epilog=_EPILOG)
def announce(text: Words, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Tell everybody who is connected, visitors of the help desk too."""
    from chatapp.registry.admin.messages import Announce

    request = Announce(_joined(text, "announce"))
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done="everybody is told")


@app.command("release", epilog=_EPILOG)
def release(name: Name, port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Release the name of somebody who is away."""
    from chatapp.registry.admin.messages import ReleaseName

    done = f"{quoted(name)} can be taken by anybody now"
    return show_answer(folder_of_registry(data, port), ReleaseName(name), as_json=as_json, done=done)


@app.command("reload", epilog=_EPILOG)
def reload(port: Port = None, data: Data = None, as_json: AsJson = False) -> int:
    """Read the access lists again, as SIGHUP does."""
    from chatapp.registry.admin.messages import ReloadLists

    return show_answer(folder_of_registry(data, port), ReloadLists(), as_json=as_json)


@app.command("stop", epilog=_EPILOG)
def stop(
    reason: Why = None,
    within: StopIn = None,
    cancel: Cancel = False,
    port: Port = None,
    data: Data = None,
    as_json: AsJson = False,
) -> int:
    """Stop the registry, at once or at a planned time that everybody is told."""
    from chatapp.registry.admin.messages import STOP_SPAN_MAX, AdminRequest, CancelStop, StopRegistry

    if cancel and (reason or within):
        raise Misuse("stop: --cancel goes without a time and a reason")
    if reason and not within:
        raise Misuse("stop: a reason is told only before a planned stop: say --in, too")
    request: AdminRequest
    if cancel:
        request, done = CancelStop(), "the planned stop is cancelled, and everybody is told"
    elif within:
        span = seconds_of(within, "--in", most=STOP_SPAN_MAX)
        request, done = StopRegistry(span, _joined(reason or [], "stop")), f"the registry stops in {within}"
    else:
        request, done = StopRegistry(), "the registry stops"
    return show_answer(folder_of_registry(data, port), request, as_json=as_json, done=done)
