"""The CSV format in which people are exported and imported.

Spreadsheets run a cell that begins with `=`, `+`, `-` or `@` as a formula, so a title that a person
chose could run on an administrator's machine (CWE-1236). Such cells are written with an apostrophe
before them, which spreadsheets hide, and `parse` takes it off again.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .errors import ImportNotAccepted

TEXTS = ("external_id", "name", "title", "department", "about")
FLAGS = ("administrator", "moderator", "announcer", "active")
COLUMNS = ("id", *TEXTS, *FLAGS)
MAX_ROWS = 5_000
MAX_BYTES = 1_000_000

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DELIMITERS = ",;\t"


class ParsedRow(NamedTuple):
    line: int
    """The number of the line on which the row ends: 2 for the first row, as the header is 1."""
    cells: Mapping[str, str]
    """By column: only columns that the file has."""


def parse(body: bytes) -> list[ParsedRow]:
    """The rows of a file in UTF-8, separated by commas, semicolons or tabs.

    The first line names the columns, in any order; some may be missing. Raises ImportNotAccepted.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImportNotAccepted(reason="The file isn't in UTF-8.") from error
    head = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip().lower() for name in next(reader, [])]
        _check_columns(columns)
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise ImportNotAccepted(
                    reason=f"Line {reader.line_num} has {len(cells)} cells instead of"
                    f" {len(columns)}."
                )
            values = map(_without_apostrophe, cells)
            rows.append(ParsedRow(reader.line_num, dict(zip(columns, values, strict=True))))
            if len(rows) > MAX_ROWS:
                raise ImportNotAccepted(reason=f"The file has more than {MAX_ROWS} rows.")
    except csv.Error as error:
        raise ImportNotAccepted(
            reason=f"Line {reader.line_num} isn't CSV. Check the quotation marks."
        ) from error
    return rows


def _check_columns(columns: list[str]) -> None:
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or len(set(columns)) < len(columns) or not set(columns) & {"id", *TEXTS}:
        raise ImportNotAccepted(
            reason="The first line names each column once. The columns are: "
            + ", ".join(COLUMNS)
            + "."
        )


def write(rows: Iterable[Mapping[str, object]]) -> str:
    """A file with all columns. Excel recognises UTF-8 by the byte order mark."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return "\ufeff" + file.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    # A text that begins with apostrophes before such a character gets one more: `parse` takes off
    # exactly one.
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def _without_apostrophe(cell: str) -> str:
    is_marked = cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA)
    return cell[1:] if is_marked else cell
