"""Figures in a document: each run replaces the results between two marks."""

import re
from pathlib import Path


def put_section(document: Path, name: str, text: str) -> None:
    """Replace the text between `<!-- name -->` and `<!-- /name -->`. Raises ValueError if the marks
    are missing."""
    marks = re.compile(
        rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL
    )
    before = document.read_text()
    after, count = marks.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", before)
    if count != 1:
        raise ValueError(f"{document.name} has no place for {name}")
    document.write_text(after)
