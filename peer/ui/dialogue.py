"""This file is about being asked for a message: first to whom, then what. Answers in, a question or an intention out.

It knows no terminal. An empty answer, or `/quit`, gives the message up.
"""

from typing import Final

from peer.ui.grammar import whole
from peer.ui.intentions import Empty, Mistake, SendDirect
from wire.errors import NameRefused
from wire.names import PeerName, peer_name

TO: Final = "To: "
TEXT: Final = "Text: "

_GIVES_UP: Final = ("", "/quit")


class Dialogue:
    """One message that is being asked for."""

    def __init__(self) -> None:
        self._to: PeerName | None = None
        self.is_over = False

    @property
    def question(self) -> str:
        """What is asked now."""
        return TO if self._to is None else TEXT

    def answer(self, line: str) -> SendDirect | Mistake | Empty:
        """What comes of the answer: the message, or a line to be shown, or nothing yet. Then look whether it `is_over`,
        and ask what is the question now."""
        line = whole(line)
        if line.strip().lower() in _GIVES_UP:
            self.is_over = True
            return Mistake("[Nothing was sent.]")
        if self._to is not None:
            self.is_over = True
            return SendDirect(self._to, line)
        try:
            self._to = peer_name(line.strip())
        except NameRefused as refusal:
            return Mistake(f"[{refusal}.]")
        return Empty()
