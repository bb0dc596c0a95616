"""The errors of requests as errors of the protocol and back."""

import msgspec
import pytest

from chatapp.peer.api.errors import NameTaken, NotAdmitted, NotAnswered, NotOpen, OtherRegistry
from chatapp.peer.api.events import AdmissionRefusal, NoAnswer
from chatapp.peer.rpc.protocol import RpcError, exception_of, refusal_of
from chatapp.wire.errors import ChatAppError, NameRefused, TextTooLong


@pytest.mark.parametrize(
    "error",
    [
        NotOpen(),
        NameTaken("alice"),
        NotAdmitted(AdmissionRefusal.BANNED, "ab12"),
        OtherRegistry("ab", "cd"),
        NotAnswered(NoAnswer.UNANSWERED),
        TextTooLong(70_000, 65_536),
    ],
)
def test_an_exception_of_the_sdk_comes_out_at_the_other_end(error: ChatAppError) -> None:
    refused = refusal_of(error)
    told = msgspec.json.decode(msgspec.json.encode(refused.data))
    again = exception_of(RpcError(refused.code, refused.message, told))
    assert type(again) is type(error)
    assert again.args == error.args
    assert str(again) == str(error)


def test_any_other_error_keeps_its_sentence() -> None:
    refused = refusal_of(NameRefused("a/b", "has a slash"))
    assert exception_of(refused) is refused
    assert str(refused) == str(NameRefused("a/b", "has a slash"))
    unclear: list[object] = [None, 7, {"type": []}, {"type": "TextTooLong", "size": "long"}]
    for data in unclear:
        strange = RpcError(-32000, "strange", data)
        assert exception_of(strange) is strange
