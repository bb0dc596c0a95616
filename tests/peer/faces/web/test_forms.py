"""The fields of forms."""

import tracemalloc
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.peer.faces.web.forms import parsed
from chatapp.peer.faces.web.guard import RequestRefused
from chatapp.peer.faces.web.limits import BODY_MAX, FIELDS_MAX
from chatapp.wire.limits import TEXT_MAX

MIB = 1 << 20


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.text(), max_size=FIELDS_MAX
    )
)
def test_what_a_browser_writes_is_read(fields: dict[str, str]) -> None:
    assert parsed(urlencode(fields, errors="replace").encode()) == {
        name: value.encode("utf-8", "replace").decode() for name, value in fields.items()
    }


@given(
    st.lists(
        st.sampled_from([*"%+=a4f2&", "%%", "%c3", "%A4", "é", 600 * "%41", 1_020 * "x"]),
        max_size=30,
    )
)
def test_odd_bytes_are_read_as_the_standard_library_reads_them(pieces: list[str]) -> None:
    body = "".join(pieces)
    if body.count("&") < FIELDS_MAX:
        assert parsed(body.encode()) == dict(
            parse_qsl(body, keep_blank_values=True, encoding="utf-8")
        )


def test_a_form_with_more_fields_than_the_page_has_is_refused() -> None:
    many = "&".join(f"a{number}=" for number in range(FIELDS_MAX + 1)).encode()
    assert len(parsed(many.rpartition(b"&")[0])) == FIELDS_MAX
    with pytest.raises(RequestRefused):
        parsed(many)


@pytest.mark.parametrize("unit", ["%26", "a%26", "%", "&", "+", "%e4%bd%a0"])
def test_to_read_the_longest_text_takes_little_memory(unit: str) -> None:
    body = b"text=" + (BODY_MAX // len(unit) * unit).replace("&", "=").encode()
    tracemalloc.start()
    try:
        parsed(body)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MIB + TEXT_MAX
