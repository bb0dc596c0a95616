"""This file is about the list of commands in the README: it is made from the program's own table, never by hand.

python -m examples.readme
"""

import re
from pathlib import Path
from typing import Final

from peer.ui.manual import README_BEGINS, README_ENDS, readme_table

README: Final = Path(__file__).parents[1] / "README.md"
_LIST: Final = re.compile(f"{re.escape(README_BEGINS)}.*?{re.escape(README_ENDS)}", re.DOTALL)


def with_commands(text: str) -> str:
    """The README with the list as it should be. Raises ValueError when the marks around it are gone."""
    if len(_LIST.findall(text)) != 1:
        raise ValueError("README.md has not both marks around its list of commands, once")
    return _LIST.sub(lambda found: readme_table(), text)


if __name__ == "__main__":
    README.write_text(with_commands(README.read_text(encoding="utf-8")), encoding="utf-8")
