"""The list of commands in the guide: it is made from the program's own table, never by hand.

python -m examples.guide
"""

import re
from pathlib import Path
from typing import Final

from chatapp.peer.ui.help import GUIDE_BEGINS, GUIDE_ENDS, guide_table

GUIDE: Final = Path(__file__).parents[1] / "docs" / "guide.md"
_LIST: Final = re.compile(f"{re.escape(GUIDE_BEGINS)}.*?{re.escape(GUIDE_ENDS)}", re.DOTALL)


def with_commands(text: str) -> str:
    """The guide with the list as it should be. Raises ValueError when the marks around it are gone."""
    if len(_LIST.findall(text)) != 1:
        raise ValueError("docs/guide.md has not both marks around its list of commands, once")
    return _LIST.sub(lambda found: guide_table(), text)


if __name__ == "__main__":
    GUIDE.write_text(with_commands(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
