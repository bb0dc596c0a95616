"""Lines of the doctor: each trouble has its cure, and foreign text does no harm."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.api.findings import Check, Finding, Trouble
from chatapp.peer.words.doctor import doctor_lines
from chatapp.wire.address import Address

SERVER = Address("192.0.2.1", 5000)
_WAYS = (Trouble.SILENT, Trouble.REFUSED, Trouble.NO_ROUTE, Trouble.NO_REGISTRY)
TROUBLES: dict[Check, tuple[Trouble, ...]] = {
    Check.ADDRESS: (Trouble.NO_SUCH_HOST,),
    Check.UDP: _WAYS,
    Check.TCP: _WAYS,
    Check.PACKETS: (Trouble.TOO_SHORT,),
    Check.KEY: (Trouble.OTHER_KEY,),
    Check.OTHER_SERVER: (Trouble.OTHER_KEY,),
    Check.NAME: (Trouble.NAME_TAKEN, Trouble.NOT_ADMITTED),
    Check.CLOCK: (Trouble.BEHIND, Trouble.AHEAD),
    Check.DISK: (Trouble.FULL, Trouble.UNWRITABLE),
    Check.PRIVACY: (Trouble.OPEN_TO_OTHERS,),
    Check.PERSON: (Trouble.UNKNOWN, Trouble.AWAY, Trouble.KEY_CHANGED, Trouble.BANNED),
    Check.DIRECT: (Trouble.NO_ANSWER,),
    Check.RELAY: (Trouble.NO_ANSWER,),
    Check.OWN_PORT: (Trouble.PORT_TAKEN,),
    Check.REACHED: (Trouble.NO_ANSWER,),
}
EVERY = [
    Finding(check=check, trouble=why, subject="bob")
    for check, whys in TROUBLES.items()
    for why in whys
]


def test_every_check_and_every_trouble_is_worded() -> None:
    assert TROUBLES.keys() == set(Check)
    assert {trouble for whys in TROUBLES.values() for trouble in whys} == set(Trouble)
    for finding in EVERY:
        line, summary = doctor_lines([finding], SERVER)
        assert summary == "[1 problem found.]"
        assert line.endswith(".]")
        assert "{" not in line


def test_what_is_fine_is_short() -> None:
    lines = doctor_lines(
        [Finding(check=check, amount=0.012, subject="bob") for check in Check], SERVER
    )
    assert lines[-1] == "[All is well.]"
    assert lines[1:3] == [
        "[UDP to the server (192.0.2.1:5000): fine, 12 ms.]",
        "[TCP to the server (192.0.2.1:5000): fine, 12 ms.]",
    ]
    assert all(len(line) < 80 for line in lines)


@pytest.mark.parametrize(
    ("udp", "tcp", "words"),
    [
        (
            Trouble.SILENT,
            None,
            "although TCP works: a firewall drops UDP. Let UDP port 5000 through",
        ),
        (
            None,
            Trouble.SILENT,
            "although UDP works: a firewall drops TCP. Let TCP port 5000 through",
        ),
        (Trouble.SILENT, Trouble.SILENT, "The server's machine is off or has another address, or"),
        (Trouble.REFUSED, Trouble.REFUSED, "Start the server (ChatApp -s 5000)"),
    ],
)
def test_what_the_two_ways_to_the_server_say_together(
    udp: Trouble | None, tcp: Trouble | None, words: str
) -> None:
    findings = [Finding(check=Check.UDP, trouble=udp), Finding(check=Check.TCP, trouble=tcp)]
    assert any(words in line for line in doctor_lines(findings, SERVER))


def test_of_several_servers_each_is_named() -> None:
    findings = [
        Finding(check=Check.UDP, trouble=Trouble.REFUSED, server="192.0.2.2:5001"),
        Finding(check=Check.OTHER_SERVER, server="192.0.2.3:5001"),
        Finding(check=Check.OTHER_SERVER, server="192.0.2.4:5001", amount=0.002),
        Finding(check=Check.OTHER_SERVER, server="192.0.2.5:5001", trouble=Trouble.OTHER_KEY),
    ]
    udp, silent, fine, foreign, summary = doctor_lines(findings, SERVER)
    assert udp.startswith("[UDP to the server (192.0.2.2:5001): nothing runs on that port there. ")
    assert "ChatApp -s 5001" in udp
    assert silent == "[Other server 192.0.2.3:5001: no answer now: it is down, or cut off.]"
    assert fine == "[Other server 192.0.2.4:5001: fine, 2 ms.]"
    assert foreign.startswith(
        "[Other server 192.0.2.5:5001: it is another registry, with another key"
    )
    assert summary == "[2 problems found.]"


def test_amounts() -> None:
    clock = Finding(check=Check.CLOCK, trouble=Trouble.AHEAD, amount=4_000.0)
    disk = Finding(check=Check.DISK, trouble=Trouble.FULL, amount=1_048_576.0, subject="/data")
    lines = doctor_lines([clock, disk], SERVER)
    assert lines[0].startswith("[Clock: yours is 4,000 s ahead of the server's:")
    assert lines[1].startswith("[Disk: only 1 MiB are free below /data: free some space")
    assert lines[2] == "[2 problems found.]"


@given(st.sampled_from(EVERY), st.text(), st.text().map(lambda text: "".join(text.split())))
def test_foreign_text_does_no_harm(finding: Finding, subject: str, host: str) -> None:
    foreign = Finding(check=finding.check, trouble=finding.trouble, subject=subject)
    for line in doctor_lines(
        [foreign, Finding(check=finding.check, subject=subject)], Address(host, 5000)
    ):
        assert not any(
            unicodedata.category(character) in ("Cc", "Cs") and character != "\t"
            for character in line
        )
