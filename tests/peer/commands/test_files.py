"""What a line about files means."""

import pytest

from chatapp.peer.api.conversations import person, room
from chatapp.peer.api.requests import ListFiles, OfferFile
from chatapp.peer.commands.meanings import (
    AcceptOffer,
    Context,
    Meaning,
    Mistake,
    PauseFile,
    RefuseOffer,
    ResumeFile,
)
from chatapp.peer.commands.parser import parse
from chatapp.wire.names import PeerName

ME = Context(me=PeerName("alice"))
BOB, LAB = person("bob"), room("lab")


@pytest.mark.parametrize(
    ("typed", "meaning"),
    [
        ("/send_file bob plan.pdf", OfferFile(conversation=BOB, path="plan.pdf")),
        ("/file bob the plan.pdf ", OfferFile(conversation=BOB, path="the plan.pdf")),
        ("/file bob 'the plan.pdf'", OfferFile(conversation=BOB, path="the plan.pdf")),
        ('/file bob "the plan.pdf"', OfferFile(conversation=BOB, path="the plan.pdf")),
        (r"/file bob /a/the\ plan.pdf", OfferFile(conversation=BOB, path="/a/the plan.pdf")),
        ("/file #lab plan.pdf", OfferFile(conversation=LAB, path="plan.pdf")),
        ("/accept", AcceptOffer()),
        ("/accept 3", AcceptOffer(3)),
        ("/accept as the plan.pdf", AcceptOffer(None, "the plan.pdf")),
        ("/accept 3 as '/a/b c'", AcceptOffer(3, "/a/b c")),
        ("/accept 3 as x as y", AcceptOffer(3, "x as y")),
        ("/accept plan.pdf", Mistake("[Usage: /accept [n] [as <path>]]")),
        ("/accept 3 as ", Mistake("[Usage: /accept [n] [as <path>]]")),
        ("/accept 0", Mistake("[Usage: /accept [n] [as <path>]]")),
        ("/pause", PauseFile()),
        ("/pause 2", PauseFile(2)),
        ("/resume 2", ResumeFile(2)),
        ("/refuse", RefuseOffer()),
        ("/refuse it", Mistake("[Usage: /refuse [n]]")),
        ("/files", ListFiles()),
    ],
)
def test_each_spelling(typed: str, meaning: Meaning) -> None:
    assert parse(typed, ME) == meaning


@pytest.mark.parametrize("typed", ["/file alice plan.pdf", "/file b/b plan.pdf", "/file #b/b x"])
def test_a_wrong_recipient_is_a_mistake(typed: str) -> None:
    assert isinstance(parse(typed, ME), Mistake)
