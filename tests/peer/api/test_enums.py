"""Each member's word is its name, so that JSON and code agree."""

import pytest

from chatapp.peer.api import conversations, events, findings, requests, state  # noqa: F401
from chatapp.peer.api.enums import Explained, Numbered
from chatapp.peer.api.trace import TraceEvent


@pytest.mark.parametrize("kind", [*Explained.__subclasses__(), *Numbered.__subclasses__()])
def test_a_word_is_the_name_in_lower_case(kind: type[Explained | Numbered]) -> None:
    assert [member.value for member in kind] == [member.name.lower() for member in kind]


@pytest.mark.parametrize("kind", Explained.__subclasses__())
def test_every_member_is_explained(kind: type[Explained]) -> None:
    assert all(member.meaning for member in kind)


@pytest.mark.parametrize("kind", Numbered.__subclasses__())
def test_a_member_is_found_by_its_number(kind: type[Numbered]) -> None:
    assert [kind.numbered(member.number) for member in kind] == list(kind)
    with pytest.raises(ValueError, match="0"):
        kind.numbered(0)


def test_traces_use_numbers() -> None:
    assert TraceEvent.SENT.number == 1
