"""The pages of the manual, ChatApp(1) and chatapp.toml(5), in the language of man(7)."""

import enum
import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import typer

import chatapp
from chatapp.commands import COMMANDS, program
from chatapp.commands.program import (
    AGAIN_USAGE,
    CLIENT_USAGE,
    DESK_USAGE,
    MODES,
    PROGRAM,
    SERVER_USAGE,
)
from chatapp.peer.commands.arguments import usage
from chatapp.peer.commands.commands import COMMANDS as TYPED
from chatapp.registry.program.settings import KEYS, OPTIONS, TABLES, VARIABLES, allowed

SAMPLE: Final = Path(__file__).parents[1] / "docs" / "chatapp.toml"
_MANUAL: Final = "ChatApp Manual"
_HELP: Final = "--help"
_SHELL_OPTIONS: Final = frozenset({"install_completion", "show_completion"})
"""typer's own options: packages bring the files of completion."""

_PEER_VARIABLES: Final = {
    "CHATAPP_HOME": "Where keys, mail and history are kept, instead of the platform's folder for data.",
    "CHATAPP_CODE": "The join code of a newcomer, which others cannot read there as on the command line.",
    "CHATAPP_REGISTRY_KEY": "The fingerprint of the registry's key, as --registry-key.",
    "CHATAPP_LOG_LEVEL": "How much to log, as --log-level.",
    "CHATAPP_CONFIG": "The registry's configuration file, as --config.",
}


# --- the command line


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionRow:
    """One option of a command."""

    spellings: tuple[str, ...]
    about: str
    value: str = ""
    """What stands for its value, such as FILE; empty for an option without one."""
    default: str = ""
    variable: str = ""
    """The environment variable that sets it, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPage:
    """One command: `ChatApp` itself, `ChatApp send`, or `ChatApp admin kick`."""

    words: tuple[str, ...]
    about: str
    after: str
    """What its help says at the end: the exit status, for most."""
    arguments: tuple[tuple[str, str], ...]
    """What follows it, as written in its usage, each with what is said of it."""
    options: tuple[OptionRow, ...]
    commands: tuple["CommandPage", ...] = ()

    def every_command_has(self) -> tuple[OptionRow, ...]:
        """Return the options that all commands below this one have."""
        first, *others = [command.options for command in self.commands] or [()]
        return tuple(option for option in first if all(option in other for other in others))

    def pages(self) -> Iterator["CommandPage"]:
        """Yield this command and all below it."""
        yield self
        for command in self.commands:
            yield from command.pages()


def command_line() -> CommandPage:
    """Return the whole command line: the modes, then the commands."""
    modes = [_page((PROGRAM, mode.spellings[0]), mode.command()) for mode in MODES]
    commands = [_page((PROGRAM, name), program.command_of(name)) for name in COMMANDS]
    whole = typer.main.get_command(program.app)
    return _page((PROGRAM,), whole, below=(*modes, *commands))


def _page(words: tuple[str, ...], command: Any, below: tuple[CommandPage, ...] = ()) -> CommandPage:
    inner = getattr(command, "commands", {})
    return CommandPage(
        words=words,
        about=command.help or "",
        after=command.epilog or "",
        arguments=tuple(
            (str(parameter.metavar or parameter.name.upper()), parameter.help or "")
            for parameter in command.params
            if parameter.param_type_name == "argument"
        ),
        options=(
            *_options(command),
            OptionRow(spellings=("-h", _HELP), about="Show the help and exit."),
        ),
        commands=below or tuple(_page((*words, name), command) for name, command in inner.items()),
    )


def _options(command: Any) -> Iterator[OptionRow]:
    for option in command.params:
        if option.param_type_name != "option" or option.hidden or option.name in _SHELL_OPTIONS:
            continue
        choices = "|".join(getattr(option.type, "choices", ()))
        yield OptionRow(
            spellings=(*option.opts, *option.secondary_opts),
            about=option.help or "",
            value="" if option.is_flag else option.metavar or choices or option.type.name.upper(),
            default="" if option.is_flag else _default(option),
            variable=option.envvar if isinstance(option.envvar, str) else "",
        )


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    value = option.default.value if isinstance(option.default, enum.Enum) else option.default
    return "" if value is None else str(value)


# --- the pages


def program_page() -> str:
    """Return ChatApp(1)."""
    line = command_line()
    return _document(
        *_head(PROGRAM.upper(), 1),
        _section("NAME"),
        f"{PROGRAM} \\- {_escaped('chat for people who share a network')}",
        _section("SYNOPSIS"),
        _synopsis(),
        _section("DESCRIPTION"),
        _escaped(line.about),
        _section("OPTIONS"),
        *(_option(option) for option in line.options),
        _section("MODES AND COMMANDS"),
        *(text for page in line.commands for text in _command(page)),
        _section("LINES THAT A PEER TYPES"),
        "A peer reads one command a line; in a room, any other line is said there.",
        *(_item(_bold(usage(row.spellings[0], row.shape)), row.summary) for row in TYPED),
        _section("EXIT STATUS"),
        "0 if it went well, 1 if not, and 2 for a mistake on the command line or in a setting, which is named in one line. "
        "Commands with other values say so above.",
        _section("ENVIRONMENT"),
        *(_item(_bold(name), about) for name, about in _PEER_VARIABLES.items()),
        ".P",
        "Every setting of a registry has a variable, too: see",
        ".BR chatapp.toml (5).",
        _section("FILES"),
        _item(_italic("$CHATAPP_HOME"), "Keys, mail and history. Only their owner can read them."),
        _item(
            _italic("$CHATAPP_HOME/preferences.toml"),
            'How a peer shows itself on a terminal: face = "line", "full" or "plain", and quiet = true or false. The '
            "command line overrules it. Without a terminal it is not read.",
        ),
        _item(
            _italic("$CHATAPP_HOME/registry/PORT"),
            "What a registry keeps: copy it by ChatApp backup.",
        ),
        _section("SEE ALSO"),
        ".BR chatapp.toml (5)",
    )


def settings_page() -> str:
    """Return chatapp.toml(5)."""
    about = _sample_prose(SAMPLE.read_text("utf-8"))
    parts: list[str] = []
    for table, shape in TABLES.items():
        defaults = msgspec.to_builtins(shape())
        parts.append(f".SS [{table}]")
        for key in (key for key, of in KEYS.items() if of == table):
            parts += _setting(key, defaults[key], about[key])
    return _document(
        *_head("CHATAPP.TOML", 5),
        _section("NAME"),
        f"chatapp.toml \\- {_escaped('the configuration of a ChatApp registry')}",
        _section("SYNOPSIS"),
        ".nf",
        _escaped("ChatApp -s PORT --config chatapp.toml"),
        _escaped("ChatApp config --check chatapp.toml"),
        ".fi",
        _section("DESCRIPTION"),
        "A registry reads its settings from the command line, the environment and this file, in this order of precedence. "
        "The file is written in TOML. A setting that is left out has its default, and a wrong one stops the start with a "
        "line that names it and says what is allowed.",
        _section("SETTINGS"),
        *parts,
        _section("SIGNALS"),
        _item(
            "SIGHUP",
            "The lists of keys and bans are read again, in this file and in those of --allow and --ban, and a log file is "
            "begun anew. If one of them has a mistake, all lists stay as they were. Other settings need a restart.",
        ),
        _section("SEE ALSO"),
        ".BR ChatApp (1)",
    )


def _synopsis() -> str:
    usages = [SERVER_USAGE, CLIENT_USAGE, AGAIN_USAGE, DESK_USAGE]
    usages += [f"{PROGRAM} {name} ..." for name in COMMANDS]
    return "\n".join((".nf", *map(_escaped, usages), ".fi"))


def _command(page: CommandPage, but: Container[OptionRow] = ()) -> Iterator[str]:
    """Yield a command and those below it. `but`: options that were told of already."""
    words = " ".join((*page.words, *(text for text, _ in page.arguments)))
    yield f".SS {_quoted(words)}"
    yield from _paragraphs(page.about)
    for name, about in page.arguments:
        if about:
            yield _item(_italic(name), about)
    shared = [option for option in page.every_command_has() if _HELP not in option.spellings]
    if shared:
        yield ".P"
        yield "All of its commands have these options:"
    for option in (*page.options, *shared):
        if _HELP not in option.spellings and option not in but:
            yield _option(option)
    if page.after:
        yield ".P"
        yield from _paragraphs(page.after)
    for command in page.commands:
        yield from _command(command, but=shared)


def _option(option: OptionRow) -> str:
    spelled = ", ".join(_bold(spelling) for spelling in option.spellings)
    value = f" {_italic(option.value)}" if option.value else ""
    notes = [f"the default is {option.default}"] if option.default else []
    notes += [f"environment {option.variable}"] if option.variable else []
    return _item(f"{spelled}{value}", option.about + (f" ({'; '.join(notes)})" if notes else ""))


def _setting(key: str, default: object, about: str) -> Iterator[str]:
    yield _item(_bold(key), about)
    default_text = (
        "none" if default is None else msgspec.json.encode(default).decode().replace('","', '", "')
    )
    ways = [f"Environment: {VARIABLES[key]}."]
    ways += [f"Command line: {OPTIONS[key].spelling}."] if key in OPTIONS else []
    yield ".IP"
    yield _escaped(f"Values: {allowed(key)}. Default: {default_text}. {' '.join(ways)}")


_WHERE: Final = re.compile(r"(Command line|Environment) .*", re.DOTALL)
"""The end of a comment, which names other ways to set the value: the page makes that from the
table."""
_ASSIGNED: Final = re.compile(r"(?:# )?([a-z_]+) = ")


def _sample_prose(sample: str) -> dict[str, str]:
    """Return what the sample file says about each setting. Raises ValueError if it says nothing
    about one."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in sample.splitlines():
        assigned = _ASSIGNED.match(line)
        if assigned and assigned[1] in KEYS:
            found[assigned[1]] = _WHERE.sub("", " ".join(comment)).strip()
            comment = []
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            comment = []
    if missing := [key for key in KEYS if not found.get(key)]:
        raise ValueError(f"docs/chatapp.toml says nothing about {', '.join(missing)}")
    return found


# --- man(7)


def _document(*parts: str) -> str:
    return "\n".join(
        ('.\\" Made by `python -m release` from the tables of the program.', *parts, "")
    )


def _head(name: str, section: int) -> tuple[str, ...]:
    """Return the title, and the request that no word is divided: people copy them."""
    return f'.TH "{name}" {section} "" "ChatApp {chatapp.__version__}" "{_MANUAL}"', ".nh"


def _section(name: str) -> str:
    return f".SH {name}"


def _item(term: str, about: str) -> str:
    """Return an entry of a list. `term` is written in man(7) already, unlike `about`."""
    return f".TP\n{term}\n{_escaped(about)}"


def _paragraphs(text: str) -> Iterator[str]:
    for place, paragraph in enumerate(filter(None, (part.strip() for part in text.split("\n\n")))):
        yield from ((".P",) if place else ())
        yield _escaped(" ".join(paragraph.split()))


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_escaped(text)}\\fR"


def _quoted(text: str) -> str:
    return '"' + _escaped(text).replace('"', "\\(dq") + '"'


def _escaped(text: str) -> str:
    """Return text that is shown as it is: neither an escape nor a request at the begin of a
    line."""
    plain = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


def documents() -> Iterable[tuple[str, str]]:
    """Return each page: its place below `contrib`, and its text."""
    return (("man/ChatApp.1", program_page()), ("man/chatapp.toml.5", settings_page()))
