"""Suggesters: term, phrase and completion. Source: Elasticsearch reference, "Suggesters"."""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.search.engine.queries.context import Context, escape_pattern, shard_failure
from maru.components.search.engine.searching.rows import Row
from maru.components.search.errors import illegal
from maru.components.search.model.mapping.extract import raw_at
from maru.components.search.model.mapping.fields import Field
from maru.wire.elastic.json import Json, Object


def suggest(contexts: Sequence[Context], body: Object, *, is_typed: bool = False) -> Object:
    """All suggestions of a request by name."""
    answer: Object = {}
    shared = body.get("text")
    for name, told in body.items():
        if name == "text":
            continue
        text = str(told.get("text", told.get("prefix", told.get("regex", shared or ""))))
        kind = next((one for one in ("term", "phrase", "completion") if one in told), "")
        if not kind:
            raise illegal(f"suggester [{next((one for one in told if one != 'text'), name)}] not found")
        params = told[kind]
        field = str(params.get("field", ""))
        if not field:
            raise illegal("the required field option is missing")
        if kind == "completion":
            found = _completion(contexts, field, text, {**params, "is_regex": "regex" in told})
        else:
            found = _terms(contexts, field, text, params) if kind == "term" else _phrase(contexts, field, text, params)
        answer[f"{kind}#{name}" if is_typed else name] = found
    return answer


def _field(contexts: Sequence[Context], name: str) -> Field:
    for context in contexts:
        known = context.mapping.find(name)
        if known is not None:
            return known
    raise shard_failure(f"no mapping found for field [{name}]", "illegal_argument_exception")


def _terms(contexts: Sequence[Context], name: str, text: str, params: Object) -> list[Object]:
    known = _field(contexts, name)
    analyzer = known.search_analyzer
    tokens = analyzer.tokens(text) if analyzer is not None else []
    entries = []
    for token in tokens:
        options = _similar(contexts, known, token.text, params)
        entries.append(
            {"text": token.text, "offset": token.start, "length": token.end - token.start, "options": options}
        )
    return entries


def _similar(contexts: Sequence[Context], known: Field, word: str, params: Object) -> list[Object]:
    mode = str(params.get("suggest_mode", "missing"))
    own = sum(context.place.searcher.doc_freq(known.column, word) for context in contexts if context.has(known.column))
    if mode == "missing" and own:
        return []
    most = int(params.get("max_edits", 2))
    start = word[: int(params.get("prefix_length", 1))]
    if len(word) < int(params.get("min_word_length", 4)):
        return []
    found: dict[str, int] = {}
    for context in contexts:
        if context.has(known.column):
            for term, count in context.place.searcher.terms_with_prefix(known.column, start):
                if term != word and _edits(word, term, most) <= most:
                    found[term] = found.get(term, 0) + count
    options: list[Object] = []
    for term, count in found.items():
        if mode == "popular" and count <= own:
            continue
        score = 1 - _edits(word, term, most) / min(len(word), len(term))
        options.append({"text": term, "score": round(score, 8), "freq": count})
    if params.get("sort") == "frequency":
        options.sort(key=lambda one: (-one["freq"], -one["score"], one["text"]))
    else:
        options.sort(key=lambda one: (-one["score"], -one["freq"], one["text"]))
    return options[: int(params.get("size", 5))]


def _phrase(contexts: Sequence[Context], name: str, text: str, params: Object) -> list[Object]:
    known = _field(contexts, name)
    tokens = known.search_analyzer.tokens(text) if known.search_analyzer is not None else []
    best, marked, score, is_changed = [], [], 1.0, False
    pre, post = (params.get("highlight") or {}).get("pre_tag", ""), (params.get("highlight") or {}).get("post_tag", "")
    for token in tokens:
        options = _similar(contexts, known, token.text, {"suggest_mode": "missing", "size": 1, "min_word_length": 3})
        if options:
            is_changed = True
            best.append(options[0]["text"])
            marked.append(f"{pre}{options[0]['text']}{post}")
            score *= options[0]["score"]
        else:
            best.append(token.text)
            marked.append(token.text)
    option: Object = {"text": " ".join(best), "score": round(score / max(1, len(best)), 8)}
    if params.get("highlight"):
        option["highlighted"] = " ".join(marked)
    return [{"text": text, "offset": 0, "length": len(text), "options": [option] if is_changed else []}]


def _completion(contexts: Sequence[Context], name: str, text: str, params: Object) -> list[Object]:
    known = _field(contexts, name)
    if known.kind != "completion":
        raise shard_failure(f"Field [{name}] is not a completion suggest field", "illegal_argument_exception")
    folded = known.keyed(text)
    pattern = folded + ".*" if params["is_regex"] else escape_pattern(folded) + "(?s:.)*"
    options: list[tuple[float, str, Row]] = []
    for context in contexts:
        query = context.regexp(known.column, pattern)
        if params.get("fuzzy") is not None and context.has(known.column):
            query = context.kit.fuzzy_term_query(
                context.schema, known.column, folded, 1 if len(folded) < 6 else 2, True, prefix=True
            )
        for row in context.rows(query):
            weight, shown = _best_input(raw_at(row.source, known.source), folded, known)
            options.append((weight, shown, row))
    options.sort(key=lambda one: (-one[0], one[1]))
    if params.get("skip_duplicates") in (True, "true"):
        options = list({shown: (weight, shown, row) for weight, shown, row in reversed(options)}.values())[::-1]
    shown_options = [
        {"text": shown, "_index": row.index, "_id": row.id, "_score": float(weight), "_source": row.source}
        for weight, shown, row in options[: int(params.get("size", 5))]
    ]
    return [{"text": text, "offset": 0, "length": len(text), "options": shown_options}]


def _best_input(value: Json, prefix: str, known: Field) -> tuple[float, str]:
    best: tuple[float, str] = (0.0, "")
    for one in value if isinstance(value, list) else [value]:
        inputs = one.get("input", []) if isinstance(one, dict) else one
        weight = float(one.get("weight", 1)) if isinstance(one, dict) else 1.0
        for text in inputs if isinstance(inputs, list) else [inputs]:
            if not best[1] or (known.keyed(str(text)).startswith(prefix) and weight >= best[0]):
                best = (weight, str(text))
    return best


def _edits(one: str, other: str, most: int) -> int:
    if abs(len(one) - len(other)) > most:
        return most + 1
    before = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        now = [row]
        for column, right in enumerate(other, 1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (left != right)))
        before = now
    return before[-1]
