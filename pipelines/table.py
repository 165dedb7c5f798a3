"""A table of comma-separated values as it stands in its file: rows with their lines, cells as numbers."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_schemas.errors import TriageError

UNKNOWN = float("nan")
AS_NUMBERS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "": UNKNOWN, "nan": UNKNOWN}
Fields = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Columns and rows; spaces around a name or a cell do not count."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Fields], ...]
    """Line of the file, the heading being 1, and the cells by column."""


def read_table(path: Path) -> Table:
    """The file in UTF-8, with or without the mark that spreadsheets set. Raises TriageError that names it."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = tuple(name.strip() for name in reader.fieldnames or ())
            rows = tuple(
                (reader.line_num, {name.strip(): (value or "").strip() for name, value in row.items() if name})
                for row in reader
            )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TriageError(f"{path} cannot be read as a table of comma-separated values: {error}") from error
    return Table(columns, rows)


def label_in(row: Fields, column: str) -> float:
    """1, 0, or NaN where the cell is empty. Raises ValueError."""
    value = row.get(column, "").lower()
    if value not in AS_NUMBERS:
        raise ValueError(f"{column} is {value!r}, not 1, 0 or empty")
    return AS_NUMBERS[value]


def number_in(row: Fields, names: Sequence[str]) -> float:
    """The number in the first of these columns that has one, else NaN. Raises ValueError."""
    value = first_of(row, names)
    try:
        return float(value or "nan")
    except ValueError:
        raise ValueError(f"{names[0]} is {value!r}, not a number") from None


def first_of(row: Fields, names: Sequence[str]) -> str:
    """The value of the first of these columns that has one."""
    return next((row[name] for name in names if row.get(name)), "")
