"""The command lines. `<command>_app` of a module reads the words of a command."""

from collections.abc import Mapping
from typing import Final

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "admin": ("chatapp.commands.admin", "watch and steer a registry"),
    "backup": ("chatapp.commands.backups", "copy what a registry keeps"),
    "check": ("chatapp.commands.config", "look at what a registry needs"),
    "config": ("chatapp.commands.config", "show or test a registry's settings"),
    "daemon": ("chatapp.commands.program", "run a peer for other programs"),
    "doctor": ("chatapp.commands.doctor", "find out why something does not work"),
    "export": ("chatapp.commands.export", "write out a history"),
    "invite": ("chatapp.commands.names", "make join codes"),
    "names": ("chatapp.commands.names", "list names, or release one"),
    "restore": ("chatapp.commands.backups", "put a backup of a registry back"),
    "send": ("chatapp.commands.send", "send one message"),
    "stats": ("chatapp.commands.stats", "show a help desk's figures"),
    "verify": ("chatapp.commands.backups", "read a registry's files and say what is damaged"),
    "web": ("chatapp.commands.web", "serve a help desk to browsers"),
}
"""First words that begin a command line of their own; the module that reads the rest of it, and
what it does."""
