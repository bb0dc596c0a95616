"""This file is about the registry's own operator: whoever types at its terminal or writes to its standard input.

Typed lines become the same requests that peers send, and answers come as lines to show. It must not know where the lines
come from or go to.
"""

from registry.desk.grammar import ForClient, Misspoken, parse
from registry.desk.operating import Operating
from registry.desk.parts import Parts
from registry.desk.talk import Talk
from registry.desk.telling import Telling
from registry.desk.visit import CONSOLE
from registry.desk.wording import NO_CLIENT
from registry.effects import Caller, Effect, Show
from wire.messages.desk.talking import SayAtDesk

_CALLER = Caller(identity=CONSOLE)


class Terminal:
    """One operator, in reach as long as the input is open."""

    def __init__(self, parts: Parts, telling: Telling, operating: Operating, talk: Talk) -> None:
        self._parts = parts
        self._telling = telling
        self._operating = operating
        self._talk = talk

    def opened(self, *, now: float) -> list[Effect]:
        """Somebody may type from now on. On duty at once, unless peers were named as operators."""
        queue = self._parts.queue
        operator = queue.operators.get(CONSOLE)
        effects: list[Effect] = []
        if operator is not None and operator.visit is not None:  # from before a restart
            queue.operator_returned(CONSOLE)
            effects += self._telling.notices.client_again(operator.visit)
        elif not self._parts.settings.operators:
            queue.take_duty(CONSOLE, self._parts.settings.queues[0])
        return self._telling.conclude(effects, now=now)

    def closed(self, *, now: float) -> list[Effect]:
        """The input has ended: off duty for good."""
        self._parts.queue.operator_gone(CONSOLE, now=now)
        return self._telling.conclude(now=now)

    def typed(self, line: str, *, now: float) -> list[Effect]:
        """A line."""
        match parse(line):
            case None:
                return []
            case Misspoken(lines):
                return self._telling.conclude([Show(lines=lines)], now=now)  # behind the answers before it
            case ForClient(text):
                return self._say(text, now)
            case request:
                first = self._operating.handle(request, _CALLER, now=now)
                return self._telling.conclude(first, now=now)

    def _say(self, text: str, now: float) -> list[Effect]:
        operator = self._parts.queue.operators.get(CONSOLE)
        if operator is None or operator.visit is None:
            return self._telling.conclude([Show(lines=(NO_CLIENT,))], now=now)
        visit = operator.visit
        number = self._parts.transcript(visit).taken(CONSOLE) + 1
        return self._talk.say(SayAtDesk(visit.number, number, text), _CALLER, now=now)
