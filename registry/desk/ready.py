"""Ready answers: texts of the configuration that operators say by a short word."""

from collections.abc import Iterable

from chatapp.wire.limits import DESK_ANSWER_MAX, DESK_ANSWERS_BYTES_MAX, DESK_SHORT_MAX
from chatapp.wire.messages.desk import ReadyAnswer


def ready_answers(entries: Iterable[str]) -> dict[str, ReadyAnswer]:
    """Return the answers of entries such as `greet: How can I help?`, by their short word in lower case. Raises ValueError,
    whose text says what is wrong."""
    found: dict[str, ReadyAnswer] = {}
    for entry in entries:
        short, colon, text = entry.partition(":")
        short, text = short.strip(), text.strip()
        if not colon or not short or not text or len(short.split()) > 1:
            raise ValueError(f'"{entry}" is no entry such as "greet: How can I help?"')
        if len(short) > DESK_SHORT_MAX or len(text) > DESK_ANSWER_MAX:
            raise ValueError(
                f'"{short}" is too long: at most {DESK_SHORT_MAX} characters, and {DESK_ANSWER_MAX} of its text'
            )
        if short.lower() in found:
            raise ValueError(f'"{short}" is listed twice')
        found[short.lower()] = ReadyAnswer(short, text)
    size = sum(len(f"{one.short}{one.text}".encode()) for one in found.values())
    if size > DESK_ANSWERS_BYTES_MAX:
        raise ValueError(f"all together have {size:,} bytes, at most {DESK_ANSWERS_BYTES_MAX:,}")
    return found
