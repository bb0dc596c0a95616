"""Write the list of commands in the guide, from the program's own table.

python -m examples.guide
"""

import re
from pathlib import Path
from typing import Final

from chatapp.peer.commands.commands import GUIDE_BEGINS, GUIDE_ENDS, guide_table

GUIDE: Final = Path(__file__).parents[1] / "docs/reference/commands.md"
_LIST: Final = re.compile(f"{re.escape(GUIDE_BEGINS)}.*?{re.escape(GUIDE_ENDS)}", re.DOTALL)


def with_commands(text: str) -> str:
    """Return the guide with the present list. Raises ValueError if the marks around the list are
    missing."""
    if len(_LIST.findall(text)) != 1:
        raise ValueError(
            "docs/reference/commands.md must have the two marks around its list of commands exactly once"
        )
    return _LIST.sub(lambda found: guide_table(), text)


if __name__ == "__main__":
    GUIDE.write_text(with_commands(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
