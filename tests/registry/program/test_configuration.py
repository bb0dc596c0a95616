"""The configuration: each key with an invalid value, precedence, and the sample file."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.registry.program.settings import (
    FILE_MAX,
    KEYS,
    OPTIONS,
    TABLES,
    VARIABLES,
    DeskTable,
    Misconfigured,
    RegistryTable,
    Settings,
    allowed,
    configure,
    shown,
)

SAMPLE = Path(__file__).parents[3] / "docs" / "chatapp.toml"
WRONG: dict[str, list[str]] = {
    "data": ['""', "7", "[]"],
    "log_level": ['"loud"', "3", '"INFO"'],
    "lease": ["4", "3601", "10.0", '"30"', "true"],
    "letters": ["0", "10000001", "nan"],
    "names": ["999", "300001", "nan"],
    "rooms": ["15", "100001", "nan"],
    "rooms_each": ["0", "33", "nan"],
    "broadcast_up_to": ["15", "100001", "1.5"],
    "channel_free_up_to": ["15", "1000001", "1.5"],
    "relay_files": ["-1", "100001", "1.5"],
    "keep_files": ["-1", "100001", "1.5"],
    "keep_files_total": ["0", "10000001", "1.5"],
    "sessions": ["999", "1000001", "nan"],
    "requests": ["99", "10000001", "nan"],
    "keep_mail": ["0", "22", '"7"'],
    "keep_lines": ["0.5", "91", '"7"'],
    "log_format": ['"xml"', "1"],
    "log_file": ['""', "1"],
    "metrics": ['""', '"localhost:9464"', "9464"],
    "metrics_hosts": [
        '["a b"]',
        '["a:1"]',
        '[""]',
        '"desk"',
        "[7]",
        str([f"a{n}" for n in range(17)]),
    ],
    "announce": ['"no"', "0", "[]"],
    "invite_only": ['"yes"', "1", "[]"],
    "allow": ['"bob"', '["bob"]', '["12 34"]', "[7]", str([f"{n:032x}" for n in range(10_001)])],
    "ban": ['["a b"]', '["10.0.0.0/33"]', '["10.0.0"]', '[""]', "true", '"bob"'],
    "gateways": ['"web"', '["web"]', '["12 34"]', "[7]", str([f"{n:032x}" for n in range(101)])],
    "region": ['"in"', '"IND"', '""', '"XX"', "91", '"IN\\n"'],
    "menu": ["[]", '[""]', '["Other", "  "]', f'["{"x" * 101}"]', '"Other"', str(["x"] * 33)],
    "operators": [
        '["al,ice"]',
        '["bob", "BOB"]',
        '"bob"',
        '[""]',
        "[7]",
        str([f"p{n}" for n in range(101)]),
    ],
    "queues": ["[]", '["a b"]', '["a", "A"]', str([f"q{n}" for n in range(17)])],
    "keep_place": ["0", "86401", "-1", "nan", "inf", "true"],
    "operator_grace": ["-1", "3601", '"15"'],
    "hours": [
        '["Mon"]',
        '["Mon-Foo 09:00-17:00"]',
        '["Mon 17:00-09:00"]',
        '["Mon 09:60-10:00"]',
        "[7]",
        '"Mon"',
    ],
    "answers": [
        '["greet"]',
        '["a b: c"]',
        '["a:"]',
        '["a: b", "A: c"]',
        f'["a: {"x" * 1001}"]',
        "[7]",
        '"a: b"',
    ],
    "no_show_after": ["0", "86401", '"180"', "nan"],
    "keep_sessions": ["-1", "367", '"7"'],
    "keep_transcripts": ["-0.1", "366.5", '"7"'],
    "files_largest": ["-1", "20000001", "0.5"],
    "files_talk": ["-1", "1000000001"],
    "files_total": ["-1", "1000000001"],
    "file_kinds": ['["exe"]', '["PDF"]', '["html", "pdf"]', '"pdf"'],
    "servers": [
        '"a:5000"',
        '["a"]',
        '["a:80"]',
        '["a:x"]',
        '["a:5000", ""]',
        '["a b:5000"]',
        '["a:5000", "a:5000"]',
        str(["x" * 65 + ":5000"]),
        str([f"n{n}:5000" for n in range(9)]),
        "[7]",
    ],
    "cluster": [
        '"nats://a"',
        '["http://a"]',
        '["nats://"]',
        '["nats://a:0"]',
        '["nats://a:99999"]',
        '["nats://a/b"]',
        '["a b"]',
        '["nats://a", "a:4222"]',
        str([f"n{n}" for n in range(17)]),
    ],
    "cluster_name": ['""', '"a.b"', '"a b"', f'"{"x" * 33}"', "7"],
    "cluster_key": ['""', "1"],
    "cluster_credentials": ['""', "1"],
    "cluster_ca": ['""', "1"],
    "cluster_monitors": ['["a:8222"]', '["nats://a"]', '["http://"]', '"http://a"', "[7]"],
}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "chatapp.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refusal(
    file: Path | None = None,
    *,
    environment: dict[str, str] | None = None,
    options: dict[str, object] | None = None,
) -> str:
    with pytest.raises(Misconfigured) as refused:
        configure(file, environment=environment, options=options)
    line = str(refused.value)
    assert line.splitlines() == [line]
    return line


def test_every_key_has_a_wrong_value_here() -> None:
    assert WRONG.keys() == KEYS.keys()


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in WRONG.items() for value in values]
)
def test_a_wrong_value_is_named_with_key_and_range(tmp_path: Path, key: str, value: str) -> None:
    path = written(tmp_path, f"[{KEYS[key]}]\n{key} = {value}\n")
    line = refusal(path)
    assert line.startswith(f"{path}: [{KEYS[key]}] {key} = ")
    assert line.endswith(f"must be {allowed(key)}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[desk]\noperatrs = []", '[desk] operatrs: unknown key; did you mean "operators"?'),
        (
            "[desk]\nLEASE = 3",
            "[desk] LEASE: unknown key; there are queues, menu, region, keep_place, operators, operator_grace",
        ),
        ("[desk]\nlease = 30", "[desk] lease: unknown key; it belongs in [registry]"),
        (
            "[registry]\nzzz = 1",
            (
                "[registry] zzz: unknown key; there are data, log_level, log_format, log_file, lease, "
                "letters, keep_mail, keep_lines, names, broadcast_up_to, channel_free_up_to, rooms, "
                "rooms_each, relay_files, keep_files, keep_files_total, sessions, requests, announce, "
                "metrics, metrics_hosts, invite_only, allow, ban"
            ),
        ),
        ("[dsk]", '[dsk]: unknown table; did you mean "desk"?'),
        ("lease = 30", "lease: it is outside of a table; it belongs in [registry]"),
        ("zzz = 30", "[zzz]: unknown table; there are registry, desk"),
        ("desk = 3", "desk is a table: write [desk] on a line of its own"),
        ("[[desk]]", "desk is a table: write [desk] on a line of its own"),
        ("[desk]\nregion =", "it is not TOML: Invalid value (at end of document)"),
        (b"[desk]\nregion = '\xff'", "it is not UTF-8"),
        (b"#" * (FILE_MAX + 1), f"a configuration has at most {FILE_MAX:,} bytes"),
        (b"x = " + b"[" * 100_000, "it is not TOML: "),
    ],
)
def test_an_invalid_configuration_is_one_line(tmp_path: Path, text: str | bytes, why: str) -> None:
    path = written(tmp_path, text)
    assert refusal(path).startswith(f"{path}: {why}")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == f"{tmp_path}/none.toml: No such file or directory"
    assert refusal(tmp_path) == f"{tmp_path}: Is a directory"


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = written(tmp_path_factory.getbasetemp(), content)
    try:
        configure(path)
    except Misconfigured as refused:
        assert str(refused).splitlines() == [str(refused)]


def test_without_anything_there_are_the_defaults() -> None:
    assert configure().settings == Settings(registry=RegistryTable(), desk=DeskTable())
    assert configure().sources == {}


def test_the_command_line_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[desk]\nregion = "DE"\noperators = ["f"]\nkeep_place = 5\n[registry]\nlease = 50\n',
    )
    environment = {
        "CHATAPP_REGION": "FR",
        "CHATAPP_OPERATORS": " e  g ",
        "CHATAPP_KEEP_PLACE": "6",
        "HOME": "/x",
    }
    options = {"region": "US", "operators": None}
    found = configure(path, environment=environment, options=options)
    assert found.settings.registry.lease == 50
    assert found.settings.desk.keep_place == 6
    assert found.settings.desk.operators == ("e", "g")
    assert found.settings.desk.region == "US"
    assert found.sources == {
        "lease": str(path),
        "keep_place": "CHATAPP_KEEP_PLACE",
        "operators": "CHATAPP_OPERATORS",
        "region": "--region",
    }


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, '[desk]\nregion = "DE"')
    assert configure(path, environment={"CHATAPP_REGION": ""}).settings.desk.region == "DE"


def test_the_data_folder_is_found_from_where_the_file_is(tmp_path: Path) -> None:
    path = written(tmp_path, '[registry]\ndata = "here"')
    assert configure(path).settings.registry.data == str(tmp_path / "here")
    assert configure(path, environment={"CHATAPP_HOME": "there"}).settings.registry.data == "there"


def test_an_unknown_home_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, '[registry]\ndata = "~no-body/x"')
    with pytest.raises(
        Misconfigured, match=r'\[registry\] data = "~no-body/x": there is no such user'
    ):
        configure(path)


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"CHATAPP_LEASE": "x"}, "CHATAPP_LEASE=x: must be whole seconds from 5 to 3600"),
        (
            {"CHATAPP_REGION": "de"},
            "CHATAPP_REGION=de: must be two capital letters of a country, such as IN or DE",
        ),
        (
            {"CHATAPP_MENU": "a||b"},
            "CHATAPP_MENU=a||b: must be 1 to 32 texts of 1 to 100 characters",
        ),
        (
            {"CHATAPP_OPERATORS": "a a"},
            'CHATAPP_OPERATORS=a a: "a" is listed twice; must be at most 100',
        ),
    ],
)
def test_a_wrong_variable_is_named(environment: dict[str, str], why: str) -> None:
    assert refusal(environment=environment).startswith(why)


def test_a_wrong_option_is_named() -> None:
    assert refusal(options={"region": "q"}).startswith('--region "q": must be two capital letters')


def test_the_sample_is_valid_complete_and_tells_the_defaults() -> None:
    text = SAMPLE.read_text("utf-8")
    assert configure(SAMPLE).settings == Settings()
    said = tomllib.loads(re.sub(r'(?m)^# (\w+ = ")', r"\1", text))
    assert {table: set(keys) for table, keys in said.items()} == {
        table: set(msgspec.structs.asdict(shape())) for table, shape in TABLES.items()
    }
    for names in (VARIABLES, {key: option.spelling for key, option in OPTIONS.items()}):
        for name in names.values():
            assert re.search(rf"{name}\b", text), name


def test_a_text_of_digits_in_the_environment_stays_a_text() -> None:
    found = configure(
        environment={"CHATAPP_METRICS": "9464", "CHATAPP_HOME": "77"}
    ).settings.registry
    assert (found.metrics, found.data) == ("9464", "77")


def test_what_is_shown_is_a_file_that_says_the_same(tmp_path: Path) -> None:
    environment = {"CHATAPP_HOME": '/a "b"\\c', "CHATAPP_MENU": "Größe | ✓", "CHATAPP_LEASE": "7"}
    before = configure(environment=environment)
    again = configure(written(tmp_path, "\n".join(shown(before))))
    assert again.settings == before.settings
    assert "lease = 7  # CHATAPP_LEASE" in shown(before)
    assert "keep_place = 60.0  # default" in shown(before)
    assert configure(written(tmp_path, "\n".join(shown(configure())))).settings == Settings()
