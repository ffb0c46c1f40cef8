"""Records of an object as S3 Select sees them: CSV and JSON, read as the bytes come.

Source: Amazon S3 API reference, InputSerialization, CSVInput, JSONInput.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import json
import zlib
from collections.abc import Iterator, Mapping

from maru.components.aws_s3.errors import refusal

RECORD_BYTES_MAX = 1024 * 1024
_OUT_BYTES = 1024 * 1024
_NOT_SPACE = " \t\r\n"


class Inflater:
    """The plain bytes of a compressed object, piece by piece; several streams may follow one another."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._open = self._fresh()
        self._is_begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Pieces of at most _OUT_BYTES."""
        if self._kind == "NONE":
            yield piece
            return
        try:
            while piece:
                self._is_begun = True
                if isinstance(self._open, bz2.BZ2Decompressor):
                    yield self._open.decompress(piece, _OUT_BYTES)
                    while not self._open.needs_input and not self._open.eof:
                        yield self._open.decompress(b"", _OUT_BYTES)
                    piece = self._open.unused_data
                else:
                    yield self._open.decompress(piece, _OUT_BYTES)
                    while self._open.unconsumed_tail:
                        yield self._open.decompress(self._open.unconsumed_tail, _OUT_BYTES)
                    piece = self._open.unused_data
                if self._open.eof:
                    self._open, self._is_begun = self._fresh(), False
        except (zlib.error, OSError) as error:
            raise refusal("InvalidCompressionFormat") from error

    def finish(self) -> None:
        """Raises TruncatedInput."""
        if self._is_begun:
            raise refusal("TruncatedInput")

    def _fresh(self) -> bz2.BZ2Decompressor | zlib._Decompress:
        return bz2.BZ2Decompressor() if self._kind == "BZIP2" else zlib.decompressobj(31)


class Lines:
    """Records parted by a delimiter. quote: within a pair of them the delimiter does not count; "" for never."""

    def __init__(self, delimiter: str, quote: str = "") -> None:
        self._delimiter = delimiter.encode()
        self._quote = quote.encode()
        self._rest = b""

    def feed(self, piece: bytes, *, is_last: bool = False) -> Iterator[str]:
        """Those that are whole."""
        parts = (self._rest + piece).split(self._delimiter)
        self._rest = b"" if is_last else parts.pop()
        kept = b""
        for part in parts:
            one = kept + self._delimiter + part if kept else part
            if self._quote and one.count(self._quote) % 2:
                kept = one
                continue
            kept = b""
            if one or not is_last:
                yield self._text(one)
        if is_last and kept:
            yield self._text(kept)
        elif kept:
            self._rest = kept + self._delimiter + self._rest
        if len(self._rest) > RECORD_BYTES_MAX:
            raise refusal("OverMaxRecordSize")

    def _text(self, record: bytes) -> str:
        try:
            text = record.decode()
        except UnicodeDecodeError as error:
            raise refusal("InvalidTextEncoding") from error
        return text.removesuffix("\r") if self._delimiter == b"\n" else text


class CsvReader:
    """Records of CSV: each a dict by _1, _2, or by what the first line names."""

    def __init__(self, told: Mapping[str, object]) -> None:
        self._header = str(told.get("FileHeaderInfo") or "NONE").upper()
        if self._header not in ("NONE", "USE", "IGNORE"):
            raise refusal("InvalidFileHeaderInfo")
        quote = _letter(told, "QuoteCharacter", '"')
        escape = _letter(told, "QuoteEscapeCharacter", '"')
        self._comment = _letter(told, "Comments", "#")
        self._options = {"delimiter": _letter(told, "FieldDelimiter", ","), "quotechar": quote, "strict": True}
        self._options |= {} if escape == quote else {"escapechar": escape, "doublequote": False}
        allows = str(told.get("AllowQuotedRecordDelimiter")).lower() == "true"
        self._lines = Lines(str(told.get("RecordDelimiter") or "\n"), quote if allows else "")
        self._names: list[str] = []
        self._is_first = True

    def feed(self, piece: bytes, *, is_last: bool = False) -> Iterator[object]:
        """Those that are whole."""
        texts = (one for one in self._lines.feed(piece, is_last=is_last) if one and one[0] != self._comment)
        try:
            for fields in csv.reader(texts, **self._options):  # type: ignore[arg-type] # options by name
                if self._is_first:
                    self._is_first = False
                    self._names = fields if self._header == "USE" else []
                    if self._header != "NONE":
                        continue
                yield Fields(fields, self._names)
        except csv.Error as error:
            raise refusal("CSVParsingError", f"Encountered an error parsing the CSV file: {error}.") from error


class Fields(dict[str, object]):
    """A record of CSV. By position too, where the columns have names."""

    def __init__(self, fields: list[str], names: list[str]) -> None:
        super().__init__(
            zip(names, fields, strict=False) if names else ((f"_{n}", one) for n, one in enumerate(fields, 1))
        )
        self._fields = fields

    def __missing__(self, name: str) -> object:
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._place(name) is not None

    def __getitem__(self, name: str) -> object:
        place = None if super().__contains__(name) else self._place(name)
        return super().__getitem__(name) if place is None else self._fields[place]

    def _place(self, name: object) -> int | None:
        text = str(name)
        if not text.startswith("_") or not text[1:].isdigit():
            return None
        place = int(text[1:]) - 1
        return place if 0 <= place < len(self._fields) else None


class JsonReader:
    """Records of JSON: of lines, or of documents one behind the other."""

    def __init__(self, told: Mapping[str, object]) -> None:
        self._kind = str(told.get("Type") or "").upper()
        if self._kind not in ("DOCUMENT", "LINES"):
            raise refusal("InvalidJsonType")
        self._lines = Lines("\n")
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._parse = json.JSONDecoder().raw_decode
        self._rest = ""

    def feed(self, piece: bytes, *, is_last: bool = False) -> Iterator[object]:
        """Those that are whole."""
        if self._kind == "LINES":
            try:
                for line in self._lines.feed(piece, is_last=is_last):
                    if line.strip():
                        yield json.loads(line)
            except ValueError as error:
                raise refusal("JSONParsingError") from error
            return
        try:
            text, at = self._rest + self._decode(piece, is_last), 0
        except UnicodeDecodeError as error:
            raise refusal("InvalidTextEncoding") from error
        while True:
            while at < len(text) and text[at] in _NOT_SPACE:
                at += 1
            if at == len(text):
                break
            try:
                found, end = self._parse(text, at)
            except ValueError as error:
                if is_last:
                    raise refusal("JSONParsingError") from error
                break
            if end == len(text) and not is_last and text[at] not in '{["':
                break  # a number may go on
            yield found
            at = end
        self._rest = text[at:]
        if len(self._rest) > RECORD_BYTES_MAX:
            raise refusal("OverMaxRecordSize")


def _letter(told: Mapping[str, object], name: str, usual: str) -> str:
    given = told.get(name)
    if given is None or given == "":
        return usual
    if len(str(given)) != 1:
        raise refusal("InvalidRequestParameter", f"The value of {name} is one character.")
    return str(given)
