"""Completion for bash, zsh and fish: the names of commands, their options, and values that can be
listed.

The files hold everything themselves. To ask the program at each Tab would take a third of a second.
"""

from collections.abc import Iterable, Iterator

from release.commands import PROGRAM, CommandPage, OptionRow, command_line

_MADE: str = "# Made by `python -m release` from the tables of the program."


def documents() -> Iterable[tuple[str, str]]:
    """Return each file: its place below `contrib`, and its text."""
    line = command_line()
    return (
        (f"completion/bash/{PROGRAM}", bash(line)),
        (f"completion/zsh/_{PROGRAM}", zsh(line)),
        (f"completion/fish/{PROGRAM}.fish", fish(line)),
    )


# --- bash


_BASH = """\
{made}

_{program}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local command='' options='' commands='' folders='' values=''
    COMPREPLY=()
    if ((COMP_CWORD > 1)); then
        case ${{COMP_WORDS[1]}} in
            {first}) command=${{COMP_WORDS[1]}} ;;
        esac
    fi
    if ((COMP_CWORD > 2)); then
        case "$command ${{COMP_WORDS[2]}}" in
            {second}) command+=" ${{COMP_WORDS[2]}}" ;;
        esac
    fi
    case $command in
{commands}
    esac
    case "$command $previous" in
{values}
    esac
    if [[ $values == : ]]; then
        return  # the value is the user's own
    elif [[ $values == FILE ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    elif [[ $values == DIR ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    elif [[ -n $values ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current")
    elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    elif [[ -n $commands ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current")
    elif [[ -n $folders ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    fi
}}

complete -F _{program} {program}
"""


def bash(line: CommandPage) -> str:
    """Return the completion for bash, which needs no other package."""
    second = [f"'{one.name} {inner.name}'" for one in line.commands for inner in one.commands]
    commands, values = [], []
    for page in line.pages():
        key = " ".join(page.words[1:])
        told = [
            f"options='{' '.join(spelling for one in page.options for spelling in one.spellings)}'"
        ]
        if page.commands:
            at = f"((COMP_CWORD == {len(page.words)})) && "
            told.append(f"{at}commands='{' '.join(one.name for one in page.commands)}'")
        if _takes_folder(page):
            told.append("folders=1")
        commands.append(f"'{key}') {'; '.join(told)} ;;")
        for option in page.options:
            if option.value:
                patterns = " | ".join(f"'{key} {spelling}'" for spelling in option.spellings)
                values.append(f"{patterns}) values={_bash_values(option)} ;;")
    return _BASH.format(
        made=_MADE,
        program=PROGRAM,
        first=" | ".join(one.name for one in line.commands),
        second=" | ".join(second),
        commands=_indented(commands, 8),
        values=_indented(values, 8),
    )


def _bash_values(option: OptionRow) -> str:
    if option.takes_path:
        return option.value
    return f"'{' '.join(option.choices)}'" if option.choices else ":"


def _takes_folder(page: CommandPage) -> bool:
    """Whether the command is about a folder, such as that of a backup."""
    return any(name.strip("[]") == "DIR" for name, _ in page.arguments)


def _indented(lines: Iterable[str], by: int) -> str:
    return "\n".join(" " * by + line for line in lines)


# --- zsh


def zsh(line: CommandPage) -> str:
    """Return the completion for zsh."""
    parts = [f"#compdef {PROGRAM}", _MADE, ""]
    for page in line.pages():
        parts += [f"{_zsh_function(page)}() {{", *_zsh_body(page), "}", ""]
    parts.append(f'{_zsh_function(line)} "$@"')
    return "\n".join(parts) + "\n"


def _zsh_function(page: CommandPage) -> str:
    return "_" + "_".join(page.words)


def _zsh_body(page: CommandPage) -> Iterator[str]:
    """Yield the lines of a function. It sees its own command as the first word."""
    if page.commands:
        yield "    local -a commands=("
        yield from (
            f"        {_zsh_quoted(f'{one.name}:{_first_line(one.about)}')}"
            for one in page.commands
        )
        yield "    )"
        yield (
            "    if (( CURRENT > 2 )) && (( ${+functions["
            + _zsh_function(page)
            + "_$words[2]]} )); then"
        )
        yield f"        local function={_zsh_function(page)}_$words[2]"
        yield "        shift words; (( CURRENT-- ))"
        yield "        $function"
        yield "        return"
        yield "    fi"
        yield "    (( CURRENT == 2 )) && _describe -t commands command commands"
    yield "    _arguments -S \\"
    for option in page.options:
        yield f"        {_zsh_option(option)} \\"
    yield f"        '*: :{'_files -/' if _takes_folder(page) else ' '}'"


def _zsh_option(option: OptionRow) -> str:
    about = _zsh_escaped(option.about)
    value = f":{_zsh_escaped(option.value)}:{_zsh_values(option)}" if option.value else ""
    if len(option.spellings) == 1:
        return _zsh_quoted(f"*{option.spellings[0]}[{about}]{value}")
    every = " ".join(option.spellings)
    return f"'({every})'{{{','.join(option.spellings)}}}{_zsh_quoted(f'[{about}]{value}')}"


def _zsh_values(option: OptionRow) -> str:
    if option.takes_path:
        return "_files -/" if option.value == "DIR" else "_files"
    return f"({' '.join(option.choices)})" if option.choices else " "


def _zsh_escaped(text: str) -> str:
    for special in "\\[]:":
        text = text.replace(special, f"\\{special}")
    return text


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# --- fish


_FISH = """\
{made}

# Whether the words after the program are these, in this order. A first argument of 0 asks that no other follows.
function __{program}_at
    set -l words (commandline -poc)[2..]
    set -l wanted $argv[2..]
    test $argv[1] -eq 0; and test (count $words) -ne (count $wanted); and return 1
    for place in (seq (count $wanted))
        test "$words[$place]" = "$wanted[$place]"; or return 1
    end
end

# Whether the line is none of a command.
function __{program}_mode
    set -l words (commandline -poc)[2..]
    not contains -- "$words[1]" {commands}
end

complete -c {program} -f
{lines}
"""


def fish(line: CommandPage) -> str:
    """Return the completion for fish."""
    lines = []
    for page in line.pages():
        words = " ".join(page.words[1:])
        for one in page.commands:
            at = f"__{PROGRAM}_at 0 {words}".rstrip()
            lines.append(f"-n '{at}' -a {one.name} -d {_fish_quoted(_first_line(one.about))}")
        here = f"__{PROGRAM}_mode" if page is line else f"__{PROGRAM}_at 1 {words}"
        lines += [f"-n '{here}' {_fish_option(option)}" for option in page.options]
        if _takes_folder(page):
            lines.append(f"-n '{here}' -a '(__fish_complete_directories)'")
    return _FISH.format(
        made=_MADE,
        program=PROGRAM,
        commands=" ".join(one.name for one in line.commands),
        lines="\n".join(f"complete -c {PROGRAM} {one}" for one in lines),
    )


def _fish_option(option: OptionRow) -> str:
    spelled = [
        f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in option.spellings
    ]
    value = ""
    if option.takes_path:
        value = " -r -a '(__fish_complete_directories)'" if option.value == "DIR" else " -r -F"
    elif option.value:
        value = f" -x -a '{' '.join(option.choices)}'" if option.choices else " -x"
    return f"{' '.join(spelled)}{value} -d {_fish_quoted(option.about)}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
