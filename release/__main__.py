"""Write the pages of the manual and the files of completion.

python -m release
"""

from pathlib import Path
from typing import Final

from release import completion, manual

FOLDER: Final = Path(__file__).parents[1] / "contrib"


def documents() -> dict[Path, str]:
    """Return every file that is made from the program's tables, and its text."""
    return {FOLDER / place: text for place, text in (*manual.documents(), *completion.documents())}


if __name__ == "__main__":
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
