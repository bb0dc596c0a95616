"""Look for known weaknesses of the locked dependencies, with pip-audit.

python -m release.audit [LOCK ...]

Exit status: 0 none is known, 1 some are known, 2 misused, 3 not audited: the database did not
answer for every dependency. pip-audit itself also succeeds when the database knows none of the
packages, as behind a mirror that has no such database.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

LOCKS: Final = sorted((Path(__file__).parents[1] / "requirements").glob("*.txt"))
_CLEAN, _WEAK, _NOT_AUDITED = 0, 1, 3
_TIMEOUT: Final = 600.0
_NAMED_MOST: Final = 5
"""Dependencies without an answer that are named; the others are counted."""


class Weakness(msgspec.Struct):
    """A known weakness."""

    id: str
    fix_versions: list[str] = []


class Dependency(msgspec.Struct):
    """What pip-audit found out about one dependency."""

    name: str
    version: str = ""
    vulns: list[Weakness] = []
    skip_reason: str = ""


class Report(msgspec.Struct):
    """What pip-audit prints as JSON."""

    dependencies: list[Dependency]


class Auditor(Protocol):
    """Runs pip-audit on lock files: returns its report, and what it complained of."""

    def __call__(self, locks: Sequence[Path], /) -> tuple[bytes, str]: ...


def ask_pip_audit(locks: Sequence[Path]) -> tuple[bytes, str]:
    """Run pip-audit. Raises OSError, subprocess.TimeoutExpired."""
    words = [
        sys.executable,
        "-m",
        "pip_audit",
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner",
        "off",
    ]
    words += [
        "--format",
        "json",
        *(word for lock in locks for word in ("--requirement", str(lock))),
    ]
    done = subprocess.run(words, capture_output=True, timeout=_TIMEOUT, check=False)
    return done.stdout, done.stderr.decode("utf-8", "replace")


def audit(locks: Sequence[Path], ask: Auditor = ask_pip_audit) -> tuple[list[str], int]:
    """Return the lines to print and the exit status."""
    try:
        answer, complaint = ask(locks)
        report = msgspec.json.decode(answer, type=Report)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"not audited: {error}"], _NOT_AUDITED
    except msgspec.DecodeError:
        *_, last = complaint.strip().splitlines() or ["pip-audit says nothing"]
        return [f"not audited: {last}"], _NOT_AUDITED
    # One lock file may pin a package twice, at versions for different platforms: each is asked
    # about.
    found = {
        (dependency.name, dependency.version): dependency for dependency in report.dependencies
    }
    lines = [
        _line(dependency, weakness)
        for dependency in found.values()
        for weakness in dependency.vulns
    ]
    unanswered = [dependency.name for dependency in found.values() if dependency.skip_reason]
    if unanswered or not found:
        named = ", ".join(unanswered[:_NAMED_MOST]) + (
            ", ..." if len(unanswered) > _NAMED_MOST else ""
        )
        about = f" ({named})" if named else ""
        asked = f"{len(unanswered)} of {len(found)} dependencies"
        lines.append(f"not audited: the database has no answer about {asked}{about}")
    if not lines:
        return [f"{len(found)} dependencies, no known weakness"], _CLEAN
    return lines, _WEAK if any(dependency.vulns for dependency in found.values()) else _NOT_AUDITED


def _line(dependency: Dependency, weakness: Weakness) -> str:
    fixed = ", ".join(weakness.fix_versions) or "no version yet"
    return f"{dependency.name} {dependency.version}: {weakness.id}, fixed in {fixed}"


def main(words: Sequence[str] | None = None, ask: Auditor = ask_pip_audit) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m release.audit", description="Look for known weaknesses."
    )
    parser.add_argument(
        "locks", nargs="*", type=Path, metavar="LOCK", help="by default all of requirements"
    )
    locks: list[Path] = parser.parse_args(words).locks or LOCKS
    for lock in locks:
        if not lock.is_file():
            parser.error(f"{lock}: no such file")
    lines, status = audit(locks, ask)
    print(*lines, sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
