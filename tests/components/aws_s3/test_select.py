"""S3 Select: what a query of one object answers, event by event."""

from __future__ import annotations

import bz2
import gzip
import json

import pytest
from botocore.eventstream import EventStreamBuffer

from tests.components.aws_s3.conftest import World

PEOPLE = 'name,age,city\nann,31,Seoul\nbob,4,Busan\n"cho, kim",,Seoul\n'
TREE = {"staff": [{"name": "a", "kids": [1, 2]}, {"name": "b"}], "Country": "KR", "none": None}
HEADED = {"CSV": {"FileHeaderInfo": "USE"}}
DOCUMENT = {"JSON": {"Type": "DOCUMENT"}}


async def select(s3: World, content: bytes, query: str, given: dict[str, object], **output: object) -> str:
    """The rows; the error's code where the stream ends with one."""
    bucket = await s3.bucket()
    await s3.put(bucket, "a", content)
    answer = await s3.begin(
        "SelectObjectContent",
        Bucket=bucket,
        Key="a",
        Expression=query,
        ExpressionType="SQL",
        InputSerialization=given,
        OutputSerialization=output or {"CSV": {}},
    )
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join([piece async for piece in answer[":body"]]))
    events = list(buffer)
    last = events[-1].headers
    if last[":message-type"] == "error":
        return str(last[":error-code"])
    assert [one.headers[":event-type"] for one in events[-2:]] == ["Stats", "End"]
    rows = b"".join(one.payload for one in events if one.headers[":event-type"] == "Records")
    assert f"<BytesReturned>{len(rows)}</BytesReturned>".encode() in events[-2].payload
    return rows.decode()


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT * FROM S3Object", 'ann,31,Seoul\nbob,4,Busan\n"cho, kim",,Seoul\n'),
        ("select s.NAME, s._3 from s3object s where s.city = 'Seoul' limit 1", "ann,Seoul\n"),
        ('select s."NAME" from s3object s limit 1', "\n"),
        ("select name from s3object where cast(age as int) > 30", "CastFailed"),
        ("select name from s3object where age > 30", "ann\n"),
        ("select name from s3object where name like '%o!_%' escape '!' or name like 'b_b'", "bob\n"),
        ("select count(*), max(cast(age as int)), min(name) from s3object where age <> ''", "2,31,ann\n"),
        ("select sum(age), avg(age) from s3object where age between 1 and 99", "35,17.5\n"),
        ("select upper(name) || '!', char_length(city), substring(city, 2, 2) from s3object limit 1", "ANN!,5,eo\n"),
        ("select case city when 'Seoul' then 1 else 2 end from s3object where name in ('bob', 'x')", "2\n"),
        ("select coalesce(nullif(age, ''), 'none') from s3object where not name = 'ann'", "4\nnone\n"),
        ("select extract(year from date_add(month, 11, to_timestamp('2020-02T'))) from s3object limit 1", "2021\n"),
        ("select date_diff(day, to_timestamp('2020-02-01'), to_timestamp('2020-03-01')) from s3object limit 1", "29\n"),
        ("select trim(leading 'a' from name), 7 / 2, -age from s3object limit 1", "nn,3,-31\n"),
    ],
)
async def test_a_query_of_csv_answers_as_sql_says(s3: World, query: str, rows: str) -> None:
    assert await select(s3, PEOPLE.encode(), query, HEADED) == rows


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("select * from s3object s", [TREE]),
        ("select s.staff[0].name as first, s.country, s.absent from s3object s", [{"first": "a", "country": "KR"}]),
        ("select s.name from s3object[*].staff[*] s where s.kids is missing", [{"name": "b"}]),
        ("select * from s3object[*].staff[0].kids[*]", [{"_1": 1}, {"_1": 2}]),
        ("select count(*) from s3object[*].staff[*].name n", [{"_1": 2}]),
        ("select 'from s3object' as said from s3object s where s.none is null", [{"said": "from s3object"}]),
    ],
)
async def test_a_query_of_json_follows_paths(s3: World, query: str, rows: object) -> None:
    found = await select(s3, json.dumps(TREE).encode(), query, DOCUMENT, JSON={})
    assert [json.loads(line) for line in found.splitlines()] == rows


@pytest.mark.parametrize(("kind", "packed"), [("GZIP", gzip.compress), ("BZIP2", bz2.compress)])
async def test_compressed_objects_of_any_length_are_read(s3: World, kind: str, packed: object) -> None:
    lines = b"".join(b'{"n":%d,"pad":"%s"}\n' % (number, b"x" * 90) for number in range(30_000))
    given = {"JSON": {"Type": "LINES"}, "CompressionType": kind}
    query = "select count(*), sum(s.n) from s3object s"
    assert await select(s3, packed(lines), query, given) == f"30000,{sum(range(30_000))}\n"  # type: ignore[operator]
    assert await select(s3, packed(lines)[:-20], query, given) == "TruncatedInput"  # type: ignore[operator]
    assert await select(s3, lines, query, given) == "InvalidCompressionFormat"


async def test_records_end_where_they_are_told_to(s3: World) -> None:
    quoted = {"CSV": {"AllowQuotedRecordDelimiter": True, "RecordDelimiter": ";", "FieldDelimiter": "|"}}
    rows = await select(s3, b'a|"b;c";#no|no;d|e', "select * from s3object", quoted, CSV={"QuoteFields": "ALWAYS"})
    assert rows == '"a","b;c"\n"d","e"\n'


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("select", "ParseSelectMissingFrom"),
        ("drop table x", "ParseUnexpectedToken"),
        ("select * from read_csv('/etc/passwd')", "ParseSelectMissingFrom"),
        ("select * from s3object s join x on 1 = 1", "UnsupportedSyntax"),
        ("select * from s3object where a in (select 1)", "UnsupportedSyntax"),
        ("select a, count(*) from s3object", "UnsupportedSyntax"),
        ("select md5(a) from s3object", "UnsupportedFunction"),
        ("select a from s3object order by a", "UnsupportedSyntax"),
    ],
)
async def test_what_s3_select_does_not_know_is_refused_before_anything_is_read(
    s3: World, query: str, code: str
) -> None:
    bucket = await s3.bucket()
    await s3.put(bucket, "a")
    parts = {"InputSerialization": HEADED, "OutputSerialization": {"CSV": {}}}
    asked = {"Bucket": bucket, "Key": "a", "ExpressionType": "SQL", **parts}
    assert await s3.refused("SelectObjectContent", Expression=query, **asked) == code
