"""Reads what `chancery search` wrote as Parquet, as CSV and as JSON rows, each with pandas and with DuckDB.

    chancery search -o parquet > rows.parquet
    chancery search -o csv > rows.csv
    chancery search -o rows > rows.jsonl
    python read_rows.py rows.parquet rows.csv rows.jsonl

Needs pandas, pyarrow and duckdb. A Parquet file says its own types; CSV and JSON are read with the types that
docs/flat-schema.md gives the columns, because a reader that guesses makes 40 of the code 040. All six readings must have
the same rows: dates as dates, codes as text, what is absent as null.
"""

import argparse
from collections import defaultdict

import duckdb
import pandas as pd

# The types of the columns; every other column is text.
INTEGERS = ["revision", "position"]
NUMBERS = ["latitude", "longitude", "goldstein", "intensity", "tone"]
DATES = ["occurred_from", "occurred_until", "reported_from", "reported_until"]
TIMES = ["recorded"]


def pandas_parquet(path):
    # Without dtype_backend dates come as objects of Python's datetime.date.
    return pd.read_parquet(path, dtype_backend="pyarrow")


def pandas_csv(path):
    types = defaultdict(lambda: "str", {name: "int64" for name in INTEGERS} | {name: "float64" for name in NUMBERS})
    # Only what is empty is absent: a title may be the word NA.
    frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""])
    return with_times(frame)


def pandas_json(path):
    frame = pd.read_json(path, lines=True, dtype=False, precise_float=True)
    # Where a column is null in every row nothing says that it is one of numbers.
    frame = frame.astype({name: "float64" for name in frame.columns.intersection(NUMBERS)})
    return with_times(frame)


def with_times(frame):
    for name in frame.columns.intersection(DATES):
        frame[name] = pd.to_datetime(frame[name], format="%Y-%m-%d")
    for name in frame.columns.intersection(TIMES):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def duckdb_types(columns):
    known = {name: "BIGINT" for name in INTEGERS} | {name: "DOUBLE" for name in NUMBERS}
    known |= {name: "DATE" for name in DATES} | {name: "TIMESTAMPTZ" for name in TIMES}
    return {name: known.get(name, "VARCHAR") for name in columns}


def duckdb_parquet(path):
    return duckdb.sql("SELECT * FROM read_parquet($path)", params={"path": path})


def duckdb_csv(path):
    columns = duckdb.sql("SELECT * FROM read_csv($path)", params={"path": path}).columns
    return duckdb.read_csv(path, header=True, dtype=duckdb_types(columns))


def duckdb_json(path):
    columns = duckdb.sql("SELECT * FROM read_json($path)", params={"path": path}).columns
    return duckdb.read_json(path, columns=duckdb_types(columns), format="newline_delimited")


def plain(value):
    """A value as any reader gives it, so that those of two can be compared: None, int, float, text."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    if hasattr(value, "strftime"):
        return value.strftime("%Y-%m-%d")
    return value.item() if hasattr(value, "item") else value


def rows_of_pandas(frame):
    frame = frame.copy()
    for name in frame.columns.intersection(TIMES):
        frame[name] = frame[name].astype("datetime64[ns, UTC]").astype("int64") // 1000
    return [tuple(map(plain, row)) for row in frame.itertuples(index=False, name=None)]


def rows_of_duckdb(relation):
    def chosen(name):
        return f'epoch_us("{name}"::TIMESTAMPTZ)' if name in TIMES else f'"{name}"'

    selected = relation.project(", ".join(map(chosen, relation.columns)))
    return [tuple(map(plain, row)) for row in selected.fetchall()]


def is_same(columns, one, other):
    """Whether two rows are the same. DuckDB's times from text have microseconds, those of the archive nanoseconds."""
    values = zip(columns, one, other, strict=True)
    return all(abs(a - b) <= 1 if name in TIMES else a == b for name, a, b in values)


def is_as_documented(columns, types, is_a):
    """Whether each column has the type that the document gives it."""
    for name, found in zip(columns, types, strict=True):
        expected = next((kind for kind, names in KINDS.items() if name in names), "text")
        assert is_a[expected](str(found)), f"{name} is {found}, not {expected}"


KINDS = {"integer": INTEGERS, "number": NUMBERS, "date": DATES, "time": TIMES}
IN_PANDAS = {
    "text": lambda found: found.startswith(("str", "object")),
    "integer": lambda found: found.startswith("int64"),
    "number": lambda found: found.startswith(("float64", "double")),
    "date": lambda found: found.startswith(("datetime64", "date32")),
    "time": lambda found: found.startswith(("datetime64", "timestamp")) and "UTC" in found,
}
IN_DUCKDB = {
    "text": lambda found: found == "VARCHAR",
    "integer": lambda found: found == "BIGINT",
    "number": lambda found: found == "DOUBLE",
    "date": lambda found: found == "DATE",
    # DuckDB before 2 has one type of times with a zone.
    "time": lambda found: found in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"),
}


def main():
    arguments = argparse.ArgumentParser(description="Reads rows of an archive from three forms with two readers.")
    for form in ["parquet", "csv", "json"]:
        arguments.add_argument(form, help=f"what -o {form if form != 'json' else 'rows'} wrote")
    arguments.add_argument("--rows", type=int, help="how many rows there must be, as `chancery count` says")
    args = arguments.parse_args()

    readings = {}
    for form, in_pandas, in_duckdb in [
        ("parquet", pandas_parquet, duckdb_parquet),
        ("csv", pandas_csv, duckdb_csv),
        ("json", pandas_json, duckdb_json),
    ]:
        path = getattr(args, form)
        frame, relation = in_pandas(path), in_duckdb(path)
        is_as_documented(frame.columns, frame.dtypes, IN_PANDAS)
        is_as_documented(relation.columns, relation.types, IN_DUCKDB)
        readings[f"pandas, {form}"] = list(frame.columns), rows_of_pandas(frame)
        readings[f"DuckDB, {form}"] = list(relation.columns), rows_of_duckdb(relation)

    columns, rows = readings["DuckDB, parquet"]
    for reading, (own_columns, own_rows) in readings.items():
        print(f"{reading:<16} {len(own_rows):,} rows")
        assert own_columns == columns, f"{reading} has other columns: {own_columns}"
        for at, (own, other) in enumerate(zip(own_rows, rows)):
            assert is_same(columns, own, other), f"{reading} has another row {at}: {own} instead of {other}"
        assert len(own_rows) == len(rows), f"{reading} has {len(own_rows)} rows instead of {len(rows)}"
    if args.rows is not None:
        assert len(rows) == args.rows, f"there are {len(rows)} rows and not {args.rows}"
    assert not any(value == "" for row in rows for value in row), "what is absent must be null, not an empty text"

    frame = pd.read_parquet(args.parquet, dtype_backend="pyarrow")
    codes = sorted(set(frame["type"].dropna()))
    print(f"codes are text   {' '.join(codes[:8])}")
    print(f"types are        {' '.join(sorted(set(frame['type_basis'].dropna())))}")
    days = frame["occurred_from"].dropna()
    print(f"dates are dates  {days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, {frame['occurred_from'].isna().sum()} absent")
    print(f"times are UTC    {frame['recorded'].max().isoformat()}")
    by_year = duckdb.sql(
        "SELECT year(occurred_from) AS year, count(*) AS rows "
        "FROM read_parquet($path) GROUP BY ALL ORDER BY rows DESC, year LIMIT 3",
        params={"path": args.parquet},
    )
    print(by_year)


if __name__ == "__main__":
    main()
