"""``drivetrain catalogue import PATH``."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from drivetrain.units import GIB, show


class ImportFormat(StrEnum):
    """What to print: a table for people, JSON for programs, or the catalogue entry itself."""

    table = "table"
    json = "json"
    toml = "toml"


def import_command(
    path: Annotated[Path, typer.Argument(help="A Hugging Face config.json, or the folder that holds one.")],
    format: Annotated[  # noqa: A002
        ImportFormat, typer.Option(help="table, json, or toml (the catalogue entry).")
    ] = ImportFormat.table,
    save: Annotated[Path | None, typer.Option(help="Write the catalogue entry here (a file, or a folder).")] = None,
) -> None:
    """Read a model's config.json: parameter counts, cache size, and a catalogue entry. Nothing is downloaded or run."""
    from drivetrain.verbs.import_model import import_model

    found = import_model(path)
    for note in filter(None, (found["notes"], f"counted: {found['convention']}")):
        typer.echo(note, err=True)
    if format is ImportFormat.json:
        typer.echo(json.dumps(found, indent=2))
    elif format is ImportFormat.toml:
        typer.echo(found["entry"], nl=False)
    else:
        _print_table(found)
    if save is not None:
        typer.echo(f"saved {_save(found, save)}", err=True)


def _save(found: dict[str, Any], save: Path) -> Path:
    from drivetrain.errors import FileError

    target = save / f"{found['name']}.toml" if save.is_dir() else save
    if target.suffix != ".toml":
        raise FileError(f"{target}: an entry is a .toml file. Give a name that ends so, or an existing folder.")
    try:
        with target.open("x", encoding="utf-8") as file:  # never over what is there
            file.write(found["entry"])
    except FileExistsError:
        raise FileError(f"{target}: exists already. Choose another name, or move it away first.") from None
    except OSError as error:
        raise FileError(f"{target}: cannot be written: {error}. Choose another place.") from None
    return target


def _print_table(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=found["name"], show_header=False, title_justify="left")
    for label, text in _rows(found):
        table.add_row(label, text)
    Console(soft_wrap=True).print(table)


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("family", found["family"]),
        ("parameters", f"{found['total_params']:,}"),
        ("active per token", f"{found['active_params']:,}"),
        ("layers, hidden, vocabulary", f"{found['layers']}, {found['hidden']:,}, {found['vocab']:,}"),
        ("heads, key/value heads", f"{found['heads'] or '–'}, {found['kv_heads'] or '–'}"),
        ("weights", f"{found['weight_dtype']}, {found['weight_bytes'] / GIB:.1f} GiB"),
        ("cache per token", f"{show(found['kv_bytes_per_token'], 'bytes')} ({found['kv_dtype']})"),
        ("longest context", f"{found['max_context']:,} tokens"),
    ]
    if found["experts"]:
        rows.insert(
            5, ("experts", f"{found['experts_per_token']} of {found['experts']} in {found['moe_layers']} layers")
        )
    if found["state_bytes_per_sequence"]:
        rows.insert(-1, ("state per sequence", show(found["state_bytes_per_sequence"], "bytes")))
    if found["mtp_params"]:
        rows.append(("prediction layers, apart", f"{found['mtp_params']:,}"))
    return rows
