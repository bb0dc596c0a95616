"""This file is about the line face on a terminal: an input line that incoming messages never break, completion, history.

prompt_toolkit does it; it knows no protocol and no commands but their spellings.
"""

import os
from collections.abc import AsyncIterator, Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.shortcuts import print_formatted_text

from peer.ui.grammar import BY_SPELLING
from peer.ui.wording import PROMPT

_DIM = "\x1b[2m"
_BOLD = "\x1b[1m"
_PLAIN = "\x1b[0m"


class ScreenTerminal:
    """A real terminal."""

    def __init__(self) -> None:
        os.environ.setdefault(
            "PROMPT_TOOLKIT_NO_CPR", "1"
        )  # a terminal that does not answer would bring a warning
        self._session: PromptSession[str] = PromptSession(
            PROMPT,
            completer=WordCompleter(sorted(BY_SPELLING), sentence=True),
            complete_while_typing=False,
            enable_suspend=True,
            history=InMemoryHistory(),
        )
        self._coloured = not os.environ.get("NO_COLOR")

    def show(self, lines: Iterable[str]) -> None:
        """Above the line being typed."""
        with patch_stdout(raw=True):
            for line in lines:
                print_formatted_text(ANSI(self._coloured_line(line)) if self._coloured else line)

    async def shown(self) -> None:
        """They are."""

    async def typed(self) -> AsyncIterator[str]:
        """Until Ctrl-D; Ctrl-C raises KeyboardInterrupt."""
        with patch_stdout(raw=True):
            while True:
                try:
                    yield await self._session.prompt_async(handle_sigint=False)
                except EOFError:
                    return

    @staticmethod
    def _coloured_line(line: str) -> str:
        if line.startswith("["):
            return f"{_DIM}{line}{_PLAIN}"
        name, colon, said = line.partition(":")
        return f"{_BOLD}{name}{_PLAIN}{colon}{said}"
