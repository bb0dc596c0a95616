"""This file is about where settings come from: command line before environment before file before default.

It reads one file. What is wrong becomes one line that names the file or variable, the key, and what is allowed. It knows
the shape of `settings`; what a setting does is others'.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from registry.settings import KEYS, TABLES, Settings, check, unknown_key, unknown_table
from wire.errors import ChatAppError, quoted
from wire.folders import path_of

FILE_MAX: Final = 1_000_000
"""Bytes of a configuration file: somebody who names a disk image by mistake is told so."""

OPTIONS: Final = {
    "data": "--data",
    "log_level": "--log-level",
    "region": "--region",
    "operators": "--operator",
    "invite_only": "--invite-only",
    "allow": "--allow",
    "ban": "--ban",
}
"""Keys that the command line can set."""

VARIABLES: Final = {key: f"CHATAPP_{key.upper()}" for key in KEYS} | {"data": "CHATAPP_HOME"}
"""The variable of the environment for each key."""

_BETWEEN: Final = {"menu": "|", "allow": ",", "ban": ",", "operators": None, "queues": None}
"""What stands between the parts of a list in a variable; None for blanks."""

_TRUTH: Final = {"true": True, "false": False}


class Misconfigured(ChatAppError):
    """Settings that cannot be used; the text names where they stand, the key and what is allowed."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, and where each that is not a default comes from."""

    settings: Settings
    sources: dict[str, str]


def configure(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> Configuration:
    """The settings that hold. `options`: what the command line says, by key; None where it is silent.

    Raises Misconfigured."""
    found: dict[str, dict[str, object]] = {table: {} for table in TABLES}
    sources: dict[str, str] = {}

    def take(source: str, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            found[KEYS[key]][key] = value
            sources[key] = source.format(option=OPTIONS.get(key), variable=VARIABLES[key])

    if file is not None:
        take(quoted(str(file)), _from_file(file))
    take("{variable}", _from_environment(environment or {}))
    take("{option}", _from_options(options or {}))
    return Configuration(settings=msgspec.convert(found, Settings), sources=sources)


def _from_file(path: Path) -> dict[str, object]:
    values: dict[str, object] = {}
    try:
        for table, content in _tables(path).items():
            values |= _checked(table, content)
        folder = values.get("data")
        if isinstance(folder, str):
            values["data"] = str(path.parent / path_of(folder))
    except ValueError as error:
        raise Misconfigured(f"{quoted(str(path))}: {error}") from None
    except FileNotFoundError as error:
        why = f'[registry] data = "{quoted(error.filename)}": {error.strerror}'
        raise Misconfigured(f"{quoted(str(path))}: {why}") from None
    return values


def _checked(table: str, content: object) -> dict[str, object]:
    """The keys of one table. Raises ValueError."""
    if table not in TABLES:
        raise ValueError(unknown_table(table))
    if not isinstance(content, dict):
        raise ValueError(f"{table} is a table: write [{table}] on a line of its own")  # noqa: TRY004 - the file's fault
    for key, value in content.items():
        if KEYS.get(key) != table:
            raise ValueError(unknown_key(table, key))
        _check(f"[{table}] {key} = {_written(value)}", key, value)
    return content


def _tables(path: Path) -> dict[str, object]:
    """What the file says. Raises ValueError."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
        if len(content) > FILE_MAX:
            raise ValueError(f"more than {FILE_MAX:,} bytes are no configuration")
        return tomllib.loads(content.decode())
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"it is not TOML: {quoted(str(error))}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, variable in VARIABLES.items():
        text = environment.get(variable)
        if not text:
            continue
        value: object = text
        if text.strip() in _TRUTH:
            value = _TRUTH[text.strip()]
        elif key in _BETWEEN:
            value = [one.strip() for one in text.split(_BETWEEN[key])]
        elif text.strip().isdecimal() and len(text) < 20:
            value = int(text)
        try:
            _check(f"{variable}={quoted(text)}", key, value)
        except ValueError as error:
            raise Misconfigured(str(error)) from None
        values[key] = value
    return values


def _from_options(options: Mapping[str, object]) -> dict[str, object]:
    values = {key: value for key, value in options.items() if value is not None}
    for key, value in values.items():
        try:
            _check(f"{OPTIONS[key]} {_written(value)}", key, value)
        except ValueError as error:
            raise Misconfigured(str(error)) from None
    return values


def _check(place: str, key: str, value: object) -> None:
    try:
        check(key, value)
    except ValueError as why:
        raise ValueError(f"{place}: {why}") from None


def _written(value: object) -> str:
    """A value about as it stands in a file."""
    if isinstance(value, str):
        return f'"{quoted(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return quoted(f"[{', '.join(map(_written, value))}]")
    return quoted(str(value))


def shown(configuration: Configuration) -> list[str]:
    """The settings that hold, as lines of a file that says the same, and behind each where it comes from."""
    lines: list[str] = []
    for table in TABLES:
        lines += [f"[{table}]"]
        for key, value in msgspec.to_builtins(getattr(configuration.settings, table)).items():
            source = configuration.sources.get(key, "default")
            written = "# data =" if value is None else f"{key} = {_toml(value)}"
            lines.append(f"{written}  # {source}")
    return lines


def _toml(value: object) -> str:
    """JSON is TOML for numbers, texts and lists of them, but for DEL."""
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
