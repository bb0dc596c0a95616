"""What `make audit` makes of pip-audit's answers: silence of the database is not the same as no
weakness."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from release.audit import LOCKS, audit, main

SOUND = '{"name": "typer", "version": "0.28.0", "vulns": []}'
WEAK = (
    '{"name": "nats-py", "version": "2.12.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.12.1", "2.13"]},'
    ' {"id": "PYSEC-2", "fix_versions": []}]}'
)
UNKNOWN = '{"name": "idna", "skip_reason": "Dependency not found on PyPI and could not be audited: idna (3.11)"}'


def answering(*dependencies: str, complaint: str = "") -> "Auditor":
    return Auditor(
        f'{{"dependencies": [{", ".join(dependencies)}], "fixes": []}}'.encode(), complaint
    )


class Auditor:
    """Stands for pip-audit."""

    def __init__(self, answer: bytes, complaint: str = "") -> None:
        self.answer = answer
        self.complaint = complaint
        self.asked: Sequence[Path] = ()

    def __call__(self, locks: Sequence[Path], /) -> tuple[bytes, str]:
        self.asked = locks
        return self.answer, self.complaint


@pytest.mark.parametrize(
    ("dependencies", "lines", "status"),
    [
        ([SOUND], ["1 dependencies, no known weakness"], 0),
        ([SOUND, SOUND], ["1 dependencies, no known weakness"], 0),  # in two lock files
        (
            [SOUND, WEAK],
            [
                "nats-py 2.12.0: PYSEC-1, fixed in 2.12.1, 2.13",
                "nats-py 2.12.0: PYSEC-2, fixed in no version yet",
            ],
            1,
        ),
        (
            [SOUND, UNKNOWN],
            ["not audited: the database has no answer about 1 of 2 dependencies (idna)"],
            3,
        ),
        ([], ["not audited: the database has no answer about 0 of 0 dependencies"], 3),
        (
            [UNKNOWN.replace("idna", f"p{number}", 1) for number in range(7)],
            [
                "not audited: the database has no answer about 7 of 7 dependencies (p0, p1, p2, p3, p4, ...)"
            ],
            3,
        ),
    ],
)
def test_each_answer_has_its_lines_and_its_status(
    dependencies: list[str], lines: list[str], status: int
) -> None:
    assert audit(LOCKS, answering(*dependencies)) == (lines, status)


def test_a_weakness_counts_even_if_other_dependencies_have_no_answer() -> None:
    lines, status = audit(LOCKS, answering(WEAK, UNKNOWN))
    assert status == 1
    assert lines[-1].startswith("not audited")


@pytest.mark.parametrize("order", [1, -1])
def test_a_weak_version_counts_beside_a_sound_one_of_the_same_package(order: int) -> None:
    both = [WEAK, '{"name": "nats-py", "version": "2.13.0", "vulns": []}'][::order]
    lines, status = audit(LOCKS, answering(*both))
    assert status == 1
    assert [line.partition(":")[0] for line in lines] == ["nats-py 2.12.0"] * 2


@pytest.mark.parametrize(
    ("complaint", "said"),
    [("ERROR: cannot connect\nERROR: gave up\n", "ERROR: gave up"), ("", "pip-audit says nothing")],
)
def test_no_report_is_told_in_one_line(complaint: str, said: str) -> None:
    assert audit(LOCKS, Auditor(b"", complaint)) == ([f"not audited: {said}"], 3)


def test_a_pip_audit_that_hangs_is_told_in_one_line() -> None:
    def hang(locks: Sequence[Path], /) -> tuple[bytes, str]:
        raise subprocess.TimeoutExpired("pip-audit", 600)

    assert audit(LOCKS, hang) == (
        ["not audited: Command 'pip-audit' timed out after 600 seconds"],
        3,
    )


def test_every_lock_file_is_audited_unless_some_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = answering(SOUND)
    assert main([], asked) == 0
    assert {lock.name for lock in asked.asked} >= {
        "build.txt",
        "run.txt",
        "dev.txt",
        "docs.txt",
        "release.txt",
    }
    assert capsys.readouterr().out == "1 dependencies, no known weakness\n"
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.txt")], asked)
    assert ended.value.code == 2
    assert "none.txt: no such file" in capsys.readouterr().err
