"""`_sql`: statements over indices, as JSON, CSV, TSV or text. Source: Elasticsearch reference, "SQL REST API"."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Sequence

from maru.components.search.api.edge import Call, Reply, Route
from maru.components.search.api.house import House
from maru.components.search.engine.searching.executing import Search
from maru.components.search.engine.searching.request import parse_request
from maru.components.search.engine.searching.rows import Row, Target, too_many
from maru.components.search.engine.sql import run_blocking, tables_of
from maru.components.search.errors import failure, illegal
from maru.components.search.model.mapping.mapping import Mapping
from maru.wire.elastic.json import Json, Object, as_text


class SqlApi:
    """The edge of SQL."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> Sequence[Route]:
        return [Route("GET POST", "/_sql", self.query), Route("POST", "/_sql/close", self.close)]

    async def query(self, call: Call) -> Reply:
        body = call.needs_body()
        if "query" not in body:
            raise failure(
                400,
                "action_request_validation_exception",
                "Validation Failed: 1: one of [query] or [cursor] is required;",
            )
        statement = str(body["query"])
        targets: dict[str, list[Target]] = {}
        for name in tables_of(statement):
            targets[name] = await self._house.indices.targets(self._house.find(call, expression=name))
        request = parse_request({"query": body.get("filter")})
        around = self._house.around()

        def load(name: str) -> tuple[Mapping, Sequence[Row]]:
            rows = Search(targets[name], request, around).rows_blocking(around.docs_max + 1)
            if len(rows) > around.docs_max:
                raise too_many(around.docs_max)
            return targets[name][0].mapping, rows

        columns, rows = await asyncio.to_thread(
            run_blocking, statement, load, body.get("params") or [], int(body.get("fetch_size", 1000))
        )
        return _reply(call.arg("format", "json"), columns, rows, call.arg("delimiter", ","))

    async def close(self, call: Call) -> Reply:
        return Reply({"succeeded": False})


def _reply(form: str, columns: Sequence[Object], rows: Sequence[Sequence[Json]], delimiter: str) -> Reply:
    if form == "json":
        return Reply({"columns": columns, "rows": rows})
    names = [str(column["name"]) for column in columns]
    texts = [["" if value is None else as_text(value) for value in row] for row in rows]
    if form in ("csv", "tsv"):
        out = io.StringIO()
        writer = csv.writer(
            out, delimiter="\t" if form == "tsv" else delimiter, lineterminator="\r\n" if form == "csv" else "\n"
        )
        writer.writerows([names, *texts])
        return Reply(
            out.getvalue(),
            200,
            {"Content-Type": f"text/{'csv' if form == 'csv' else 'tab-separated-values'}; charset=UTF-8"},
        )
    if form == "txt":
        widths = [max([len(name), *(len(row[index]) for row in texts)], default=0) for index, name in enumerate(names)]
        lines = [
            "|".join(name.center(width) for name, width in zip(names, widths, strict=True)),
            "+".join("-" * width for width in widths),
        ]
        lines += ["|".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in texts]
        return Reply("\n".join(lines) + "\n")
    raise illegal(f"the format [{form}] is not supported by Maru")
