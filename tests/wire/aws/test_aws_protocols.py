"""The walkers and the short ways of wire/aws, with botocore as the oracle of both directions."""

from __future__ import annotations

import datetime
import gzip
import json
from itertools import pairwise
from pathlib import Path

import botocore
import botocore.session
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maru.wire.aws import answers, constraints, form_body, json_body
from maru.wire.aws.checksums import checksum
from maru.wire.aws.chunks import ChunkDecoder
from maru.wire.aws.faults import Fault
from maru.wire.aws.routes import Routes
from maru.wire.aws.shapes import ServiceModel, strip
from maru.wire.aws.signature import (
    Signed,
    canonical_request,
    claim_of_header,
    claim_of_query,
    header_names,
    sign,
    signing_key,
    string_to_sign,
)

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def model(name: str) -> ServiceModel:
    source = sorted((Path(botocore.__file__).parent / "data" / name).glob("*/service-2.json.gz"))[-1]
    return ServiceModel(name, strip(json.loads(gzip.decompress(source.read_bytes()))))


MODELS = {name: model(name) for name in ("kms", "sts", "iam", "organizations", "s3")}
SESSION = botocore.session.Session()
ORACLES = {name: SESSION.get_service_model(name) for name in MODELS}

TEXT = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufffe\uffff"), min_size=1, max_size=12
)
MOMENTS = st.integers(0, 4_000_000_000).map(lambda s: datetime.datetime.fromtimestamp(s, datetime.UTC))


def values(shape, depth=0):
    """A strategy for values of a shape of wire.aws."""
    kind = shape.kind
    if kind == "structure":
        fields = (
            {} if depth > 5 else {k: values(m.shape, depth + 1) for k, m in shape.members.items() if not m.location}
        )
        drawn = st.fixed_dictionaries({}, optional=fields)
        return drawn.filter(bool) if depth and fields else drawn  # a form has no words for an empty structure
    if kind == "list":
        return st.lists(values(shape.item.shape, depth + 1), min_size=1, max_size=2)
    if kind == "map":
        return st.dictionaries(TEXT, values(shape.value.shape, depth + 1), min_size=1, max_size=2)
    return {
        "string": TEXT,
        "boolean": st.booleans(),
        "integer": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "blob": st.binary(max_size=20),
        "timestamp": MOMENTS,
        "double": st.floats(-1e6, 1e6),
        "float": st.floats(-1e6, 1e6),
    }[kind]


def parsed(service: str, operation: str, body: bytes):
    oracle = ORACLES[service]
    parser = create_parser(oracle.metadata["protocol"])
    shape = oracle.operation_model(operation).output_shape
    found = parser.parse({"body": body, "headers": {}, "status_code": 200}, shape)
    found.pop("ResponseMetadata", None)
    return found


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("kms", "Encrypt"), ("kms", "GenerateDataKey"), ("kms", "DescribeKey"), ("kms", "ListGrants"),
        ("organizations", "ListAccounts"), ("sts", "GetCallerIdentity"), ("iam", "ListUsers"), ("iam", "GetRole"),
        ("sts", "AssumeRole"), ("s3", "ListObjectsV2"),
    ],
)  # fmt: skip
@given(source=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_is_read_by_botocore_as_it_was(service, operation, source):
    ours = MODELS[service].operation(operation)
    members = source.draw(values(ours.output))
    body = answers.success(ours, members, "r-1").body
    found = parsed(service, operation, body)
    assert {key: value for key, value in found.items() if value not in ([], {})} == _without_empty(members)


def _without_empty(value):
    return {key: each for key, each in value.items() if each not in ([], {})}


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("kms", "Encrypt"), ("kms", "Decrypt"), ("kms", "GenerateDataKey"), ("kms", "DescribeKey"),
        ("kms", "ListGrants"), ("organizations", "ListAccounts"), ("organizations", "DescribeOrganization"),
    ],
)  # fmt: skip
@given(source=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_short_way_and_walker_write_the_same(service, operation, source):
    shape = MODELS[service].operation(operation).output
    members = source.draw(values(shape))
    assert json.loads(json_body.encode(shape, members)) == json_body.write(shape, members)


def test_what_is_settled_is_written_once_and_as_everything_else():
    shape = MODELS["organizations"].operation("ListAccounts").output
    account = {
        "Id": "1",
        "JoinedTimestamp": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "Email": None,
        "Unknown": 1,
    }
    settled = json_body.Settled(account)
    page = {"Accounts": [settled, account], "NextToken": None}
    first = json_body.encode(shape, page)
    kept = settled.raw
    assert json.loads(first) == {"Accounts": [{"Id": "1", "JoinedTimestamp": 1767312000}] * 2}
    assert json_body.encode(shape, page) == first and settled.raw is kept


@pytest.mark.parametrize("operation", ["Encrypt", "CreateGrant", "CreateKey", "ImportKeyMaterial"])
@given(source=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_json_of_botocore_is_read_as_it_was_meant(operation, source):
    ours = MODELS["kms"].operation(operation)
    members = source.draw(values(ours.input))
    sent = create_serializer("json", include_validation=False).serialize_to_request(
        members, ORACLES["kms"].operation_model(operation)
    )
    assert json_body.read(ours.input, json_body.decode(sent["body"])) == members


def test_broken_constraints_come_in_the_models_order_whatever_the_bodys():
    shape = MODELS["kms"].operation("Encrypt").input
    body = b'{"EncryptionAlgorithm": "no", "Plaintext": "", "Unknown": 1, "KeyId": ""}'
    found = constraints.broken(shape, json_body.read(shape, json_body.decode(body)))
    places = [text.partition(" at '")[2].partition("'")[0] for text in found]
    assert places == ["keyId", "plaintext", "encryptionAlgorithm"]


@pytest.mark.parametrize(
    ("service", "operation"), [("iam", "CreateRole"), ("iam", "SimulateCustomPolicy"), ("sts", "AssumeRole")]
)
@given(source=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_forms_of_botocore_are_read_as_they_were_meant(service, operation, source):
    ours = MODELS[service].operation(operation)
    members = source.draw(values(ours.input))
    sent = create_serializer("query", include_validation=False).serialize_to_request(
        members, ORACLES[service].operation_model(operation)
    )
    form = {key: str(value) for key, value in sent["body"].items()}
    assert form_body.read(ours.input, form) == members


def test_a_repeated_empty_list_is_an_empty_list():
    shape = MODELS["iam"].operation("TagRole").input
    assert form_body.read(shape, form_body.fields(b"Action=TagRole&RoleName=r&Tags=")) == {"RoleName": "r", "Tags": []}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "1 validation error detected: Value at 'keyId' failed to satisfy constraint: Member must not be null"),
        (
            {"KeyId": ""},
            "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
    ],
)
def test_broken_constraints_are_told_in_awss_words(value, text):
    assert constraints.text_of(constraints.broken(MODELS["kms"].operation("DescribeKey").input, value)) == text


def test_sensitive_values_are_not_shown():
    found = constraints.broken(MODELS["kms"].operation("Encrypt").input, {"KeyId": "k", "Plaintext": b"x" * 4097})
    assert found == [
        "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096"
    ]


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"KeyId": 1}', b'{"Plaintext": "%%"}', b'"x"', b"\xff"])
def test_what_is_no_document_of_the_protocol_is_refused(body):
    shape = MODELS["kms"].operation("Encrypt").input
    with pytest.raises(Fault) as raised:
        json_body.read(shape, json_body.decode(body))
    assert raised.value.code == "SerializationException"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "operation"),
    [
        ("GET", "/", {}, {}, "ListBuckets"),
        ("GET", "/b", {}, {}, "ListObjects"),
        ("GET", "/b", {"list-type": "2"}, {}, "ListObjectsV2"),
        ("PUT", "/b/k", {}, {}, "PutObject"),
        ("PUT", "/b/k", {"partNumber": "1", "uploadId": "u"}, {}, "UploadPart"),
        ("PUT", "/b/k", {"partNumber": "1", "uploadId": "u"}, {"x-amz-copy-source": "x"}, "UploadPartCopy"),
        ("PUT", "/b/k", {}, {"x-amz-copy-source": "x"}, "CopyObject"),
        ("POST", "/b/k", {"uploads": ""}, {}, "CreateMultipartUpload"),
        ("POST", "/b/k", {"uploadId": "u"}, {}, "CompleteMultipartUpload"),
        ("GET", "/b", {"lifecycle": ""}, {}, "GetBucketLifecycleConfiguration"),
        ("GET", "/b/a//..%2Fk", {}, {}, "GetObject"),
        ("DELETE", "/b/", {}, {}, "DeleteBucket"),
    ],
)
def test_operations_of_s3_are_told_apart(method, path, query, headers, operation):
    skipped = frozenset(("ListDirectoryBuckets", "WriteGetObjectResponse"))
    s3 = MODELS["s3"]
    routes = Routes((s3.operation(name) for name in s3.operation_names()), skipped)
    found = routes.find(method, path, query, headers)
    assert found is not None and found[0].name == operation
    if operation == "GetObject":
        assert found[1] == {"Bucket": "b", "Key": "a//../k"}


@pytest.mark.parametrize(
    ("auth", "service", "url"),
    [
        (SigV4Auth, "kms", "http://localhost:4566/"),
        (SigV4Auth, "iam", "http://localhost:4566/a%20b/../c?x=1&a=%2Fz&x=0"),
        (S3SigV4Auth, "s3", "http://localhost:4566/b/a%20b/~k%2Fx?x=a%20b&list-type=2"),
    ],
)
def test_signatures_are_those_of_botocore(auth, service, url):
    request = AWSRequest("POST", url, data=b"body", headers={"X-Amz-Target": "a   b", "Host": "localhost:4566"})
    auth(CREDENTIALS, service, "us-east-1").add_auth(request)
    headers = header_names(list(request.headers.items()))
    claim = claim_of_header(headers["authorization"], headers)
    path, _, query = url.removeprefix("http://localhost:4566").partition("?")
    payload = request.headers.get("X-Amz-Content-SHA256") or SigV4Auth(CREDENTIALS, service, "x").payload(request)
    text = string_to_sign(claim, canonical_request(Signed("POST", path, query, headers), claim, payload))
    key = signing_key(CREDENTIALS.secret_key, claim.date, claim.region, claim.service)
    assert sign(key, text) == claim.signature


def test_presigned_urls_are_those_of_botocore():
    request = AWSRequest(
        "GET", "http://localhost:4566/", params={"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    )
    SigV4QueryAuth(CREDENTIALS, "sts", "us-east-1", expires=60).add_auth(request)
    query = request.url.partition("?")[2]
    claim = claim_of_query(form_body.fields(query))
    assert claim.is_presigned and claim.expires_s == 60
    payload = SigV4QueryAuth(CREDENTIALS, "sts", "us-east-1").payload(AWSRequest("GET", "http://localhost/"))
    text = string_to_sign(
        claim, canonical_request(Signed("GET", "/", query, {"host": "localhost:4566"}), claim, payload)
    )
    assert sign(signing_key(CREDENTIALS.secret_key, claim.date, claim.region, "sts"), text) == claim.signature


class Recorder:
    def __init__(self):
        self.chunks, self.signatures, self.lines = [b""], [], None

    def count(self, piece):
        self.chunks[-1] += piece

    def chunk_end(self, signature):
        self.signatures.append(signature)
        self.chunks.append(b"")

    def trailer(self, lines):
        self.lines = lines


BODY = b"5;chunk-signature=aa\r\nhello\r\n3;chunk-signature=bb\r\nyou\r\n0;chunk-signature=cc\r\nx-amz-checksum-crc32:AA==\r\n\r\n"


@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=6))
def test_chunked_bodies_are_the_same_however_they_are_cut(cuts):
    recorder = Recorder()
    decoder = ChunkDecoder(recorder)
    places = [0, *sorted(cuts), len(BODY)]
    whole = b"".join(part for a, b in pairwise(places) for part in decoder.feed(BODY[a:b]))
    decoder.finish()
    assert whole == b"helloyou"
    assert recorder.signatures == ["aa", "bb", "cc"]
    assert recorder.lines == [("x-amz-checksum-crc32", "AA==")]


@pytest.mark.parametrize("length", range(1, 95, 7))
def test_a_chunked_body_that_breaks_off_is_incomplete(length):
    decoder = ChunkDecoder(Recorder())
    list(decoder.feed(BODY[:length]))
    with pytest.raises(Fault) as raised:
        decoder.finish()
    assert raised.value.code == "IncompleteBody"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("crc32", "y/Q5Jg=="),
        ("crc32c", "4waSgw=="),
        ("crc64nvme", "rosUhgp5mIg="),
        ("sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
    ],
)
def test_checksums_are_those_of_the_check_string(name, text):
    made = checksum(name)
    made.update(b"12345")
    made.update(b"6789")
    assert made.text() == text
