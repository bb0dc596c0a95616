"""The form of the help desk: full names and mobile numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.wire.desk.form import folded_name, full_name, is_region, mobile_number
from chatapp.wire.errors import FormRefused
from chatapp.wire.limits import DESK_FORM_NAME_MAX, DESK_FORM_NUMBER_MAX


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("Asha Rao", "Asha Rao"),
        ("  Asha \t Rao ", "Asha Rao"),
        ("José", "José"),
        ("Jose\u0301", "José"),
        ("नमिता राव", "नमिता राव"),
        ("O", "O"),
    ],
)
def test_names(typed: str, made: str) -> None:
    assert full_name(typed) == made


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "R2D2",
        "-",
        "Ana - Rao",
        "'",
        "a,b",
        "a_b",
        "\u0301",
        "a\x1bb",
        "é" * (DESK_FORM_NAME_MAX + 1),
    ],
)
def test_invalid_names(typed: str) -> None:
    with pytest.raises(FormRefused, match=r"^name: "):
        full_name(typed)


@pytest.mark.parametrize(
    ("typed", "advised"),
    [
        ("Rao, Asha", "Rao Asha"),
        ("Gal·la", "Gal la"),
        ("King, Jr.", "King Jr."),
    ],
)
def test_who_writes_a_comma_is_told_what_to_write(typed: str, advised: str) -> None:
    with pytest.raises(FormRefused) as refused:
        full_name(typed)
    assert str(refused.value).endswith(
        f"""may contain only letters, spaces and . ' -: please write "{advised}\""""
    )
    assert full_name(advised) == advised


@pytest.mark.parametrize("typed", ["R2-D2", "-", "O'Brien 3rd", "a\x1b-b", ","])
def test_where_that_would_not_help_nothing_is_advised(typed: str) -> None:
    with pytest.raises(FormRefused, match=r"spaces and \. ' -\Z"):
        full_name(typed)


@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("O'Brien", "O'Brien"),
        ("D\u2019Souza", "D'Souza"),
        ("Anne-Marie  Lévy", "Anne-Marie Lévy"),
        ("Anne\u2011Marie", "Anne-Marie"),
        ("A.B. Smith", "A.B. Smith"),
        ("J.-P. 't Hooft", "J.-P. 't Hooft"),
    ],
)
def test_the_signs_of_names_are_kept_in_one_spelling(typed: str, made: str) -> None:
    assert full_name(typed) == made == full_name(made)


def test_names_are_compared_by_their_letters() -> None:
    for one, other in (
        ("O'Brien", "o brien"),
        ("Anne-Marie Lévy", "ANNE MARIE LÉVY"),
        ("Anne\u2011Marie", "Annemarie"),
        ("A.B. Smith", "A B Smith"),
        ("Straße", "STRASSE"),
    ):
        assert folded_name(full_name(one)) == folded_name(full_name(other))
    assert folded_name("Jose") != folded_name("José")
    assert folded_name("") == ""


@given(st.text(alphabet="aZé'\u2019-. ß\u0301x", max_size=12))
def test_a_name_is_canonical_and_is_the_one_that_was_typed(typed: str) -> None:
    try:
        name = full_name(typed)
    except FormRefused:
        return
    assert full_name(name) == name
    assert folded_name(name) == folded_name(typed)


def test_the_longest_name() -> None:
    assert full_name("é" * DESK_FORM_NAME_MAX) == "é" * DESK_FORM_NAME_MAX


@pytest.mark.parametrize(
    ("typed", "region", "made"),
    [
        ("9876543210", "IN", "+919876543210"),
        (
            "1234567890",
            "IN",
            "+911234567890",
        ),  # possible, if in nobody's hand: ten digits are what is asked for
        ("98765 43210", "IN", "+919876543210"),
        ("+91 98765-43210", "IN", "+919876543210"),
        ("+44 7700 900123", "IN", "+447700900123"),
        ("(+91) 98765.43210", "IN", "+919876543210"),
        ("2015550123", "US", "+12015550123"),
    ],
)
def test_numbers(typed: str, region: str, made: str) -> None:
    assert mobile_number(typed, region) == made


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "12345",
        "98765432101",
        "987654321",
        "98765x3210",
        "٩٨٧٦٥٤٣٢١٠",
        "+",
        "0",
        "9" * 1_000,
        "9876543210 x5",
    ],
)
def test_invalid_numbers(typed: str) -> None:
    with pytest.raises(FormRefused, match=r"^number: .*10 digits"):
        mobile_number(typed, "IN")


@pytest.mark.parametrize(
    "sign", [";", ",", "#", "*", "/", "x", "~", "\u2011", "\u00a01", "\x1b", "\u0969", "=", "+"]
)
def test_a_sign_that_no_number_has_is_told(sign: str) -> None:
    for typed in (f"9876543210{sign}", f"98765{sign}43210"):
        with pytest.raises(
            FormRefused, match=r"^number: .* only digits, spaces and .*10 digits"
        ) as refused:
            mobile_number(typed, "IN")
        assert "\n" not in str(refused.value)


@given(st.text())
def test_any_text_is_a_form_or_refused(text: str) -> None:
    for made in (full_name, lambda typed: mobile_number(typed, "IN")):
        try:
            once = made(text)
        except FormRefused as refused:
            assert "\n" not in str(refused)
        else:
            assert made(once) == once
            assert len(once) <= max(DESK_FORM_NAME_MAX, DESK_FORM_NUMBER_MAX)


def test_regions() -> None:
    assert is_region("IN")
    assert not is_region("in")
    assert not is_region("ZZ")
