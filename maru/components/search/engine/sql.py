"""SQL over indices: sqlglot reads and checks the statement, DuckDB runs it over the documents.

DuckDB has no files, no network and no other tables here than the indices that the statement names. Source:
Elasticsearch reference, "SQL"; sqlglot; DuckDB, "Securing DuckDB".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from tempfile import NamedTemporaryFile

from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import failure
from maru.components.search.model.mapping.fields import family_of
from maru.components.search.model.mapping.mapping import Mapping
from maru.wire.elastic.dates import to_moment
from maru.wire.elastic.json import Json, Object

_TYPES = {"whole": "BIGINT", "decimal": "DOUBLE", "date": "TIMESTAMP", "boolean": "BOOLEAN", "unsigned": "UBIGINT"}
_SHOWN = {
    "BIGINT": "long",
    "INTEGER": "integer",
    "DOUBLE": "double",
    "FLOAT": "float",
    "VARCHAR": "keyword",
    "TIMESTAMP": "datetime",
    "BOOLEAN": "boolean",
    "HUGEINT": "long",
    "DATE": "date",
    "UBIGINT": "unsigned_long",
}

Load = Callable[[str], tuple[Mapping, Sequence[Row]]]


def tables_of(statement: str) -> list[str]:
    """The indices a SELECT names. Raises parsing_exception for anything else."""
    # Imported late: an idle platform does not pay for them.
    import sqlglot
    from sqlglot import expressions

    try:
        tree = sqlglot.parse_one(_quoted(statement), read="duckdb")
    except sqlglot.errors.ParseError as error:
        raise failure(400, "parsing_exception", f"line 1:1: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, expressions.Select | expressions.Union):
        raise failure(400, "parsing_exception", "line 1:1: only SELECT is supported by Maru")
    names = [table.name for table in tree.find_all(expressions.Table)]
    common = {one.alias for one in tree.find_all(expressions.CTE)}
    return [name for name in dict.fromkeys(names) if name not in common]


def run_blocking(
    statement: str, load: Load, params: Sequence[Json], limit: int
) -> tuple[list[Object], list[list[Json]]]:
    """(columns, rows), at most `limit` rows. Raises verification_exception with DuckDB's words."""
    import duckdb

    names = tables_of(statement)
    connection = duckdb.connect(":memory:")
    try:
        for name in names:
            mapping, rows = load(name)
            _fill(connection, name, mapping, rows)
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        found = connection.execute(_quoted(statement), list(params))
        columns = [{"name": one[0], "type": _SHOWN.get(str(one[1]), "keyword")} for one in found.description]
        return columns, [[_shown(value) for value in row] for row in found.fetchmany(limit)]
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise failure(400, "verification_exception", f"Found 1 problem\nline 1:1: {reason}") from error
    finally:
        connection.close()


def _fill(connection, name: str, mapping: Mapping, rows: Sequence[Row]) -> None:  # type: ignore[no-untyped-def]
    fields = {
        path: known
        for path, known in mapping.fields.items()
        if family_of(known.kind) not in ("stored", "range", "geo") and not known.nested and known.source == path
    }
    kinds = {path: _TYPES.get(family_of(known.kind), "VARCHAR") for path, known in fields.items()}
    declared = ", ".join(f'"{path}" {kind}' for path, kind in kinds.items()) or '"_id" VARCHAR'
    connection.execute(f'CREATE TABLE "{name}" ({declared})')
    if not rows or not fields:
        return
    with NamedTemporaryFile("w", suffix=".json") as file:
        for row in rows:
            line = {}
            for path, known in fields.items():
                values = row.values(known)
                if values:
                    line[path] = _stored(values[0], family_of(known.kind))
            file.write(json.dumps(line) + "\n")
        file.flush()
        spec = ", ".join(f"'{path}': '{kind}'" for path, kind in kinds.items())
        connection.execute(
            f"INSERT INTO \"{name}\" SELECT * FROM read_json('{file.name}', format='newline_delimited', "  # noqa: S608 - names are quoted, the file is ours
            f"columns={{{spec}}})"
        )


def _stored(value: Json, family: str) -> Json:
    if family == "date":
        return to_moment(value).strftime("%Y-%m-%d %H:%M:%S.%f")
    return bool(value) if family == "boolean" else value


def _shown(value: Json) -> Json:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value.isoformat() if isinstance(value, date) else value


def _quoted(statement: str) -> str:
    """Elasticsearch's SQL ends without, or with, a semicolon."""
    return statement.strip().rstrip(";")
