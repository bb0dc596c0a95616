"""The changelog: each change is a file of its own in `changes`, so that two branches never edit the
same lines, until a release gathers them.

    python -m release.changes 0.2.0
"""

import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SECTIONS: Final = {
    "people": "People",
    "desk": "The help desk",
    "registries": "Registries",
    "programs": "Programs",
    "upgrade": "To know before you upgrade",
}
"""The title of each section. A change is in `changes/SECTION.WHAT.md`."""


def section_of(version: str, date: str, changes: dict[str, str]) -> str:
    """Return what the changelog says of a version. `changes`: texts by the names of their files.
    Raises ValueError for a name without a section."""
    for name in changes:
        if name.partition(".")[0] not in SECTIONS:
            raise ValueError(f"{name}: begin its name with one of {', '.join(SECTIONS)}")
    parts = [f"## {version} ({date})"]
    for section, title in SECTIONS.items():
        texts = [text for name, text in sorted(changes.items()) if name.startswith(f"{section}.")]
        if texts:
            parts.append(f"### {title}")
            parts.append("\n".join(map(_bullet, texts)))
    return "\n\n".join(parts) + "\n"


def _bullet(text: str) -> str:
    return "- " + "\n  ".join(text.strip().splitlines())


def gather(root: Path, version: str, date: str) -> None:
    """Move all changes into the changelog, above earlier versions."""
    files = sorted((root / "changes").glob("*.md"))
    changes = {file.name: file.read_text("utf-8") for file in files}
    log = root / "CHANGELOG.md"
    head, mark, earlier = log.read_text("utf-8").partition("\n## ")
    section = section_of(version, date, changes)
    log.write_text(f"{head.rstrip()}\n\n{section}{mark}{earlier}", "utf-8")
    for file in files:
        file.unlink()


if __name__ == "__main__":
    gather(ROOT, sys.argv[1], time.strftime("%Y-%m-%d"))
