"""The catalogues of what a visitor reads: one file of texts for each language, in a folder for each
face."""

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "hi")
"""The languages that there are, by their codes (ISO 639)."""

_FOLDER: Final = Path(__file__).with_name("catalogs")


class Catalog:
    """The texts of one language. A text that it lacks is English."""

    def __init__(self, language: str, texts: Mapping[str, str], english: Mapping[str, str]) -> None:
        self.language: Final = language
        self._texts = {**english, **texts}
        self._english = english

    def text(self, key: str, /, **values: object) -> str:
        """Return a text with these values in the places of their names. Raises KeyError for a key
        that does not exist."""
        return self._texts[key].format(**values)

    def translations(self, section: str) -> dict[str, str]:
        """Return the texts of a section by what they are in English."""
        keys = [key for key in self._english if key.startswith(f"{section}.")]
        return {self._english[key]: self._texts[key] for key in keys}


@cache
def catalog_of(language: str, folder: Path = _FOLDER) -> Catalog:
    """Return the catalogue of a language. `folder`: that of another face than the terminal. Raises
    KeyError for a language that does not exist."""
    if language not in LANGUAGES:
        raise KeyError(language)
    english = texts_in(ENGLISH, folder)
    return Catalog(
        language, english if language == ENGLISH else texts_in(language, folder), english
    )


def texts_in(language: str, folder: Path = _FOLDER) -> dict[str, str]:
    """Return the texts in the file of a language, by `section.key`."""
    tables = tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
    return {
        f"{section}.{key}": text for section, texts in tables.items() for key, text in texts.items()
    }


def places_in(text: str) -> set[str]:
    """Return the names in braces in a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def language_of(environment: Mapping[str, str]) -> str:
    """Return the language that the environment asks for (LC_ALL, LC_MESSAGES, LANG), English if
    there are no texts in it."""
    named = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    language = named.partition(".")[0].partition("_")[0].lower()
    return language if language in LANGUAGES else ENGLISH
