"""Pages are made by templates: nothing that a stranger wrote becomes markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

import chatapp.peer.faces.web.operators.pages  # noqa: F401  (its filters)
from chatapp.peer.faces.web.operators.pages import WORDS
from chatapp.peer.faces.web.page import (
    ENVIRONMENT,
    compile_templates,
    macro,
    several_lines,
    with_links,
)
from chatapp.peer.view.talk import TalkLine


def written(template: str, **values: object) -> str:
    return ENVIRONMENT.from_string(template).render(values)


class Reader(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_a_text_stays_a_text(text: str) -> None:
    hostile = f"</p><script>\"'{text}"
    seen = Reader(written('<p title="{{ text }}">{{ text }}</p>', text=hostile))
    assert [tag for tag, _ in seen.tags] == ["p"]
    assert seen.text.startswith("</p><script>\"'")


@given(st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N", "P"))), min_size=1))
def test_lines_of_a_text_are_kept(lines: list[str]) -> None:
    assert Reader(several_lines("\r\n".join(lines))).text == "\n".join(lines)


def test_what_reorders_or_hides_its_neighbours_is_shown() -> None:
    assert several_lines("a\u202eb\u200bc\x1b[2J\nd") == "a\ufffdb\ufffdc\\x1b[2J\nd"
    assert written("{{ text }}", text="a\u202e\nb") == "a\ufffd\u23ceb"


PIECES = [
    "http://",
    "HTTPS://a.b",
    "javascript:",
    "(",
    ")",
    ".",
    "/",
    "\u202e",
    "\r\n",
    '"',
    "<b>",
    "&",
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
def test_links_change_nothing_that_is_read_and_lead_where_they_say(text: str) -> None:
    seen, plain = (Reader(f"<p>{make(text)}</p>") for make in (with_links, several_lines))
    assert seen.text == plain.text
    for tag, attributes in seen.tags[1:]:
        named = dict(attributes)
        assert (tag, named["rel"]) == ("a", "noopener noreferrer nofollow")
        address = named["href"] or ""
        assert address.lower().startswith(("http://", "https://"))
        assert address in seen.text


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (
            "see https://a.b/c?d=1&e=(2), or (http://f.g)!",
            ["https://a.b/c?d=1&e=(2)", "http://f.g"],
        ),
        ("xhttp://a ftp://b http:// www.c.d", []),
        ("https://a/\u202ecod.exe", []),
    ],
)
def test_which_words_are_links(text: str, links: list[str]) -> None:
    assert [dict(attributes)["href"] for _, attributes in Reader(with_links(text)).tags] == links


def test_only_what_a_template_has_made_is_markup() -> None:
    assert written("{{ made }}{{ text }}", made=Markup("<br>"), text="<br>") == "<br>&lt;br&gt;"
    assert written("{{ text|lines }}{{ text|untouched }}", text="<\u202e") == "&lt;\ufffd&lt;\u202e"


def test_a_name_that_a_page_does_not_know_is_an_error() -> None:
    for template in ("{{ nme }}", "{% if nme %}{% endif %}", '{{ {"a": 1}.b }}'):
        with pytest.raises(UndefinedError):
            written(template)


def test_every_template_compiles() -> None:
    for folder in ("members", "operators", "visitors"):
        compile_templates(folder)


def test_the_layout_of_a_template_is_no_part_of_the_page() -> None:
    line = TalkLine(id="line1", who="bob", text="hi", at=0.0)
    html = macro("talk.html", "line", line, "bob", None, WORDS)
    assert html.startswith('<div id="line1" class="line theirs"><p class="who"><bdi>bob</bdi></p>')
