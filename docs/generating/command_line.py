"""The page of the command line, from the click commands."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator

import click

from tiltyard.cli.main import COMMANDS


def render_command_line() -> str:
    """The reference of every command, its arguments and its options."""
    lines = [
        "# Command line",
        "",
        "Every command has `--help`. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 negative result (not promoted,",
        "a limit broken, an alert open), 130 stopped by Ctrl-C. `python docs/generate.py` writes this page.",
        "",
        "| command | what it does |",
        "|---|---|",
        *(f"| [`{name}`](#tiltyard-{name}) | {about} |" for name, (_, about) in COMMANDS.items()),
    ]
    for name, (place, _) in COMMANDS.items():
        module, attribute = place.split(":")
        lines += _describe(getattr(importlib.import_module(module), attribute), f"tiltyard {name}", 2)
    return "\n".join(lines) + "\n"


def _describe(command: click.Command, path: str, level: int) -> Iterator[str]:
    yield from ("", f"{'#' * level} {path}", "", _about(command))
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield from _list_options(command, path)
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from _describe(inner, f"{path} {name}", min(level + 1, 4))


def _list_options(command: click.Command, path: str) -> Iterator[str]:
    arguments = [parameter for parameter in command.params if isinstance(parameter, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    usage = " ".join(_usage(argument) for argument in arguments)
    yield from ("", "```text", f"{path} [OPTIONS] {usage}".rstrip(), "```")
    if options:
        yield from ("", "| option | meaning |", "|---|---|")
        for option in options:
            yield f"| {_spelling(option)} | {_meaning(option)} |"


def _about(command: click.Command) -> str:
    text = inspect.cleandoc(command.help or "").replace("\b", "").split("\f")[0].strip()
    return "\n\n".join(_escape(" ".join(part.split())) for part in re.split(r"\n\s*\n", text))


def _usage(argument: click.Argument) -> str:
    name = argument.make_metavar(click.Context(click.Command("tiltyard")))
    return name if name.startswith("[") or argument.required else f"[{name}]"


def _spelling(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.secondary_opts:
        names += " / " + ", ".join(f"`{name}`" for name in option.secondary_opts)
    if option.is_flag:
        return names
    value = option.make_metavar(click.Context(click.Command("tiltyard"))).replace("|", "\\|")
    return f"{names} `{value}`"


def _meaning(option: click.Option) -> str:
    text = _escape(" ".join((option.help or "").split()))
    shown = option.default
    plain = isinstance(shown, str | int | float) and not isinstance(shown, bool) and shown != ""
    if plain and option.show_default is not False and "[default" not in text:
        text += f" Default: `{shown}`."
    if option.required:
        text += " Required."
    return text + (" Repeatable." if option.multiple and "epeatable" not in text else "")


def _escape(text: str) -> str:
    """Signs that Markdown would read as markup."""
    return re.sub(r"([|*<\[\]])", r"\\\1", text)
