"""Test data for a queue without a desk: visits by number, and three operators."""

from chatapp.registry.rules.desk.queue.visit import CONSOLE, Form, Visit

FORM = Form(name="Asha", number="+91", issue="Other")
OPERATORS = (CONSOLE, b"x" * 32, b"y" * 32)


def visit(number: int, queue: str = "a") -> Visit:
    return Visit(
        number,
        queue=queue,
        ticket=bytes([number % 256]) * 16,
        form=FORM,
        source="h",
        joined_at=number,
    )
