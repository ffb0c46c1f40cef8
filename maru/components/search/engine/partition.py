"""A partition: one tantivy index with the columns that its mapping had when it was begun.

tantivy's schema is fixed; fields that come later go to a new partition (or a small one is written anew).
tantivy is imported here only, when the first index is opened: a platform without indices does not pay for it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from maru.components.search.model.mapping.columns import (
    ADDRESS,
    DECIMAL,
    FIELDS,
    ID,
    KEYWORD,
    LOCATION,
    NESTED,
    OFFSET,
    ROUTING,
    SEQ,
    TEXT,
    UNSIGNED,
    WHOLE,
    Column,
)

if TYPE_CHECKING:
    import tantivy

META = "columns.json"
UNINDEXED = "fast"
TOKENIZERS = ("given", "standard")  # both cut at spaces; new columns have the first
_OWN = (
    Column(ID, KEYWORD),
    Column(SEQ, WHOLE),
    Column(LOCATION, WHOLE, is_indexed=False),
    Column(NESTED, KEYWORD),
    Column(FIELDS, KEYWORD),
    Column(ROUTING, KEYWORD),
    Column(OFFSET, WHOLE, is_indexed=False),
)


class Partition:
    """folder: None for one in memory, which holds nothing and only checks queries."""

    def __init__(self, folder: Path | None, columns: Mapping[str, Column]) -> None:
        # Imported late: 15 MB that an idle platform does not need.
        import tantivy

        self.folder = folder
        self.columns = {**columns, **{column.name: column for column in _OWN}}
        if folder is None:
            self._index = tantivy.Index(_schema(self.columns))
        elif (folder / META).exists():
            self._index = tantivy.Index.open(str(folder))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self._index = tantivy.Index(_schema(self.columns), path=str(folder))
            told = {name: [column.kind, "" if column.is_indexed else UNINDEXED] for name, column in columns.items()}
            (folder / META).write_text(json.dumps(told))
        self.schema = self._index.schema
        cut = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build()
        for name in TOKENIZERS:
            self._index.register_tokenizer(name, cut)
        self._writer: tantivy.IndexWriter | None = None
        self._written = 0
        self.searcher = self._index.searcher()

    @classmethod
    def open_blocking(cls, folder: Path) -> Partition:
        """One that is there. Raises OSError or ValueError when it is damaged."""
        columns = {
            name: Column(name, kind, is_indexed=how != UNINDEXED)
            for name, (kind, how) in json.loads((folder / META).read_text()).items()
        }
        return cls(folder, columns)

    @property
    def docs(self) -> int:
        """Documents that are found, nested ones among them."""
        return int(self.searcher.num_docs)

    @property
    def written(self) -> int:
        """Documents added since the last commit."""
        return self._written

    def covers(self, columns: Iterable[str]) -> bool:
        """Whether it has all of these."""
        return all(name in self.columns for name in columns)

    def add_blocking(self, documents: Iterable[str], writer_bytes: int) -> None:
        """Add documents, each JSON by column."""
        writer = self._open_writer(writer_bytes)
        add = writer.add_json
        for document in documents:
            add(document)
            self._written += 1

    def delete_blocking(self, doc_id: str, writer_bytes: int) -> None:
        """Take the document (and its nested ones) away, as far as they were added before."""
        if self._writer is None and self.docs == 0:
            return
        self._open_writer(writer_bytes).delete_documents_by_term(ID, doc_id)
        self._written += 1

    def commit_blocking(self) -> None:
        """What was added is durable and found by a new searcher."""
        if self._writer is not None and self._written:
            self._writer.commit()
            self._index.reload()
            self.searcher = self._index.searcher()
            self._written = 0

    def release_blocking(self) -> None:
        """Give the writer's memory and threads back; merges under way are waited for."""
        if self._writer is not None:
            assert self._written == 0, "what was added must be committed first"
            writer, self._writer = self._writer, None
            writer.wait_merging_threads()

    def drop_writer_blocking(self) -> None:
        """Give a writer up that failed; what it had not committed is gone."""
        writer, self._writer, self._written = self._writer, None, 0
        if writer is not None:
            with suppress(ValueError):  # it says again what it failed of, and lets its lock go
                writer.wait_merging_threads()

    def bytes_on_disk(self) -> int:
        """All its files."""
        if self.folder is None:
            return 0
        total = 0
        for path in self.folder.iterdir():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def segments(self) -> int:
        """How many segments are searched."""
        return int(self.searcher.num_segments)

    def remove_blocking(self) -> None:
        """Delete its folder."""
        self.release_blocking()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def has_writer(self) -> bool:
        """Whether it holds a writer's memory."""
        return self._writer is not None

    def _open_writer(self, writer_bytes: int) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self._index.writer(heap_size=writer_bytes, num_threads=1)
        return self._writer


def _schema(columns: Mapping[str, Column]) -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    for name, column in sorted(columns.items()):
        if column.kind == TEXT:
            builder.add_text_field(name, tokenizer_name=TOKENIZERS[0], index_option="position")
        elif column.kind == KEYWORD:
            builder.add_text_field(name, tokenizer_name="raw", index_option="basic", fast=name not in (FIELDS, ID))
        elif column.kind == WHOLE:
            builder.add_integer_field(name, indexed=column.is_indexed, fast=True)
        elif column.kind == UNSIGNED:
            builder.add_unsigned_field(name, indexed=True, fast=True)
        elif column.kind == DECIMAL:
            builder.add_float_field(name, indexed=column.is_indexed, fast=True)
        else:
            assert column.kind == ADDRESS, column.kind
            builder.add_ip_addr_field(name, indexed=True, fast=True)
    return builder.build()


def count_of(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    """How many documents match."""
    if not searcher.num_docs:
        return 0
    result = searcher.search(query, 1, count=True)
    return int(result.count)  # type: ignore[attr-defined] # its stub forgets it
