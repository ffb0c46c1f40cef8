"""What compiling a query stands on: a partition, its mapping, the time, and the small building blocks.

Scores are as Lucene's where clauses score alone: terms of keywords weigh their rarity, numbers, ranges and
patterns weigh one. Source: Lucene BM25Similarity (k1 1.2, b 0.75), which tantivy computes for texts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maru.components.search.engine.partition import count_of
from maru.components.search.engine.searching.rows import Place, Row, rows_of, too_many
from maru.components.search.errors import failure, illegal, parsing
from maru.components.search.model.mapping.columns import FIELDS, NESTED, SEQ, column_name
from maru.components.search.model.mapping.fields import Field, family_of
from maru.components.search.model.mapping.mapping import Mapping
from maru.core.errors import MaruError
from maru.wire.elastic.dates import DateError
from maru.wire.elastic.json import Json, Object, as_text

if TYPE_CHECKING:
    import tantivy

CLAUSES_MAX = 1024 * 4
EXPANSIONS_MAX = 10_000
MATERIALIZED_MAX = 100_000

Compile = Callable[["Context", Json], "tantivy.Query"]


@dataclass(frozen=True)
class Context:
    """now: milliseconds. compile: any query object. docs_max: the breaker for work by document.

    other: reads a document of another index (terms lookup, more_like_this): (index, id) -> source or None.
    """

    place: Place
    now: int
    compile_any: Compile
    docs_max: int
    other: Callable[[str, str], Object | None]
    nested: str = ""

    @property
    def mapping(self) -> Mapping:
        return self.place.target.mapping

    @property
    def schema(self) -> tantivy.Schema:
        return self.place.partition.schema

    @property
    def kit(self) -> type[tantivy.Query]:
        """tantivy's queries."""
        import tantivy

        return tantivy.Query

    def compile(self, query: Json) -> tantivy.Query:
        """Any query object. Raises MaruError."""
        return self.compile_any(self, query)

    def has(self, column: str) -> bool:
        """Whether this partition has the column."""
        return column in self.place.partition.columns

    # Building blocks.

    def nothing(self) -> tantivy.Query:
        """Matches no document."""
        return self.kit.empty_query()

    def everything(self, score: float = 1.0) -> tantivy.Query:
        """Matches all, each with `score`."""
        return self.kit.const_score_query(self.kit.all_query(), score)

    def constant(self, query: tantivy.Query, score: float = 1.0) -> tantivy.Query:
        """Matches as `query`, each with `score`."""
        return self.kit.const_score_query(query, score)

    def boosted(self, query: tantivy.Query, boost: float) -> tantivy.Query:
        """Scores times `boost`."""
        return query if boost == 1.0 else self.kit.boost_query(query, boost)

    def both(self, *queries: tantivy.Query) -> tantivy.Query:
        """All of these; scores added."""
        import tantivy

        return self.kit.boolean_query([(tantivy.Occur.Must, one) for one in queries])

    def either(self, queries: Sequence[tantivy.Query], least: int = 1) -> tantivy.Query:
        """At least `least` of these; scores added."""
        import tantivy

        if not queries or least > len(queries):
            return self.nothing()
        if len(queries) == 1:
            return queries[0]
        return self.kit.boolean_query([(tantivy.Occur.Should, one) for one in queries], least)

    def without(self, query: tantivy.Query, *unwanted: tantivy.Query) -> tantivy.Query:
        """`query`, less what matches any of `unwanted`."""
        import tantivy

        pairs = [(tantivy.Occur.Must, query), *((tantivy.Occur.MustNot, one) for one in unwanted)]
        return self.kit.boolean_query(pairs)

    def term(self, column: str, value: Json) -> tantivy.Query:
        """One value in a column, scored by the index."""
        if not self.has(column):
            return self.nothing()
        if not self.place.partition.columns[column].is_indexed:
            return self.between(column, value, value)
        return self.kit.term_query(self.schema, column, value)

    def terms(self, column: str, values: Sequence[Json]) -> tantivy.Query:
        """Any of the values; each document weighs one."""
        if not values or not self.has(column):
            return self.nothing()
        return self.constant(self.kit.term_set_query(self.schema, column, values))

    def rare_term(self, column: str, value: str) -> tantivy.Query:
        """A keyword, weighing its rarity: norms are off and it is there once."""
        if not self.has(column):
            return self.nothing()
        count = self.place.searcher.doc_freq(column, value)
        docs = int(self.place.searcher.num_docs)
        if self.mapping.has_nested:  # nested objects are documents of the index, too
            docs = count_of(self.place.searcher, self.kit.exists_query(column))
        docs = max(docs, count)
        weight = math.log(1 + (docs - count + 0.5) / (count + 0.5))
        return self.constant(self.kit.term_query(self.schema, column, value), weight)

    def between(
        self, column: str, low: Json, high: Json, *, has_low: bool = True, has_high: bool = True
    ) -> tantivy.Query:
        """Values of a column of numbers or addresses within bounds; None is open."""
        import tantivy

        if not self.has(column):
            return self.nothing()
        kinds = {
            "whole": tantivy.FieldType.Integer,
            "unsigned": tantivy.FieldType.Unsigned,
            "decimal": tantivy.FieldType.Float,
            "address": tantivy.FieldType.IpAddr,
        }
        kind = kinds[self.place.partition.columns[column].kind]
        if low is None and high is None:
            return self.constant(self.kit.exists_query(column))
        query = self.kit.range_query(self.schema, column, kind, low, high, has_low, has_high)
        return self.constant(query)

    def exists(self, known: Field) -> tantivy.Query:
        """Documents with a value in the field."""
        family = family_of(known.kind)
        if family in ("text", "stored"):
            return self.constant(self.term(FIELDS, known.path))
        column = known.columns[0].name
        return self.constant(self.kit.exists_query(column)) if self.has(column) else self.nothing()

    def expand(
        self, column: str, keep: Callable[[str], bool], prefix: str = "", limit: int = EXPANSIONS_MAX
    ) -> list[str]:
        """The terms of a column that `keep` says yes to, in order."""
        if not self.has(column):
            return []
        found = []
        for term, _ in self.place.searcher.terms_with_prefix(column, prefix):
            if keep(term):
                found.append(term)
                if len(found) >= limit:
                    break
        return found

    def regexp(self, column: str, pattern: str) -> tantivy.Query:
        """Terms that the whole of `pattern` (of the index's own syntax) fits."""
        if not self.has(column):
            return self.nothing()
        try:
            return self.constant(self.kit.regex_query(self.schema, column, pattern))
        except ValueError as error:
            raise shard_failure(f"Failed to parse regexp: {error}") from error

    def rows(self, query: tantivy.Query) -> list[Row]:
        """All documents that match, with scores. Raises the breaker's failure."""
        limit = min(self.docs_max, int(self.place.searcher.num_docs))
        if limit == 0:
            return []
        result = self.place.searcher.search(query, limit, count=False)
        if len(result.hits) == limit and count_of(self.place.searcher, query) > limit:
            raise too_many(self.docs_max)
        return rows_of(self.place, result.hits)

    def chosen(self, scores: Iterable[tuple[int, float]]) -> tantivy.Query:
        """Documents by sequence number, each with its own score."""
        groups: dict[float, list[int]] = {}
        for seq, score in scores:
            groups.setdefault(float(score), []).append(seq)
        if sum(map(len, groups.values())) > MATERIALIZED_MAX:
            raise too_many(MATERIALIZED_MAX)
        inner = self.nested
        parts = [
            self.constant(self.kit.term_set_query(self.schema, SEQ, seqs), score) for score, seqs in groups.items()
        ]
        found = self.either(parts)
        return self.both(found, self.constant(self.term(NESTED, inner), 0.0)) if inner else self.root(found)

    def root(self, query: tantivy.Query) -> tantivy.Query:
        """Only documents that are not nested ones."""
        if not self.mapping.has_nested:
            return query
        return self.without(query, self.kit.exists_query(NESTED))


def field_of(context: Context, name: str) -> Field | None:
    """The field of a query; keys of flattened fields as fields of their own."""
    found = context.mapping.find(name)
    if found is not None:
        return found
    inner = context.mapping.flattened(name)
    if inner is not None:
        parent, key = inner
        column = column_name(f"{parent.path}#keyed")
        return Field(name, "keyed", {"column": column, "key": key, **parent.params, "type": "keyed"}, name)
    return None


def one_field(body: Json, query: str) -> tuple[str, Json]:
    """(field, value) of a query that names exactly one. Raises parsing_exception."""
    if not isinstance(body, dict):
        raise parsing(f"[{query}] query malformed, no start_object after query name")
    names = [name for name in body if name not in ("boost", "_name")]
    if not names:
        raise (
            illegal("fieldName must not be null")
            if query in ("match", "term")
            else parsing(f"[{query}] query malformed, no field name")
        )
    if len(names) > 1:
        raise parsing(f"[{query}] query doesn't support multiple fields, found [{names[0]}] and [{names[1]}]")
    return names[0], body[names[0]]


def options(body: Object, query: str, known: Sequence[str]) -> Object:
    """`body` with every name known. Raises parsing_exception."""
    for name in body:
        if name not in known and name not in ("boost", "_name"):
            raise parsing(f"[{query}] query does not support [{name}]")
    return body


def boost_of(body: Json) -> float:
    """The boost of a query body. Raises for a negative one."""
    if not isinstance(body, dict) or "boost" not in body:
        return 1.0
    try:
        boost = float(body["boost"])
    except (TypeError, ValueError) as error:
        raise parsing(f'failed to parse [boost]: For input string: "{body["boost"]}"') from error
    if boost < 0:
        raise illegal(f"negative [boost] are not allowed in [{body}], use a value between 0 and 1 to deboost")
    return boost


def shard_failure(reason: str, kind: str = "query_shard_exception", **facts: object) -> MaruError:
    """What a shard says; a search wraps it in `all shards failed`."""
    return failure(400, kind, reason, is_of_shard=True, **facts)


def value_of(known: Field, value: Json) -> Json:
    """A query's value as the field's column holds it. Raises the shard's failure."""
    try:
        return known.scalar(value)
    except DateError as error:
        cause = {"type": "date_time_parse_exception", "reason": "Failed to parse with all enclosed parsers"}
        raise failure(
            400,
            "parse_exception",
            f"{error}: [failed to parse date field [{as_text(value)}] with format [{known.format.spelled}]]",
            is_of_shard=True,
            caused_by={"type": "illegal_argument_exception", "reason": str(error), "caused_by": cause},
        ) from error
    except (ValueError, TypeError) as error:
        kind = "number_format_exception" if "For input string" in str(error) else "illegal_argument_exception"
        raise shard_failure(
            f"failed to create query: {error}", caused_by={"type": kind, "reason": str(error)}
        ) from error


def escape_pattern(text: str) -> str:
    """`text` literally, in the index's syntax of patterns."""
    return re.sub(r"([^\w\s])", r"\\\1", text) if text else text


def wildcard_pattern(text: str, *, folds: bool = False) -> str:
    """*, ? and backslashes as a pattern of the index."""
    out = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter == "\\" and at + 1 < len(text):
            at += 1
            out.append(escape_pattern(text[at]))
        elif letter == "*":
            out.append("(?s:.)*")
        elif letter == "?":
            out.append("(?s:.)")
        else:
            out.append(escape_pattern(letter))
        at += 1
    body = "".join(out)
    return f"(?i:{body})" if folds else body


def edits(fuzziness: Json, length: int) -> int:
    """AUTO, AUTO:low,high or a number, for a term of `length` letters. Raises illegal_argument."""
    text = as_text(fuzziness).upper()
    if text.startswith("AUTO"):
        low, high = 3, 6
        if ":" in text:
            try:
                low, high = (int(part) for part in text[5:].split(","))
            except ValueError as error:
                raise illegal(f"failed to find low and high distance values from [{fuzziness}]") from error
        return 0 if length < low else 1 if length < high else 2
    try:
        number = int(float(text))
    except ValueError as error:
        raise illegal(f"Invalid fuzziness value: {fuzziness}") from error
    if not 0 <= number <= 2:
        raise illegal(f"Valid edit distances are [0, 1, 2] but was [{number}]")
    return number


def least_matching(spec: Json, count: int) -> int:
    """minimum_should_match for `count` optional clauses. Source: Elasticsearch reference of that name."""
    if spec is None:
        return 1
    text = as_text(spec).strip()
    if "<" in text:
        result = count
        for part in text.split():
            bound, _, inner = part.partition("<")
            if count <= int(bound):
                return result if result != count else count
            result = least_matching(inner, count)
        return result
    try:
        if text.endswith("%"):
            percent = float(text[:-1])
            amount = int(count * abs(percent) / 100)
            wanted = count - amount if percent < 0 else amount
        else:
            wanted = int(float(text))
            wanted = count + wanted if wanted < 0 else wanted
    except ValueError as error:
        raise illegal(f'For input string: "{text}"') from error
    return max(0, wanted)
