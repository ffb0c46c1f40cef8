"""S3's Signature Version 2, with botocore as the signer."""

from __future__ import annotations

import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from maru.wire.aws import signature_two
from maru.wire.aws.faults import Fault
from maru.wire.aws.signature import Signed, header_names

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET, "to/ken+==")
URL = "http://localhost:4566/bucket/a%20b%2Fc"


def parameters_of(query: str) -> dict[str, str]:
    from urllib.parse import parse_qsl

    return dict(parse_qsl(query, keep_blank_values=True))


@pytest.mark.parametrize(
    "query", ["", "?uploads", "?partNumber=2&uploadId=x%2By", "?response-content-type=a%2Fb%20c", "?x=1&acl"]
)
def test_a_presigned_url_of_botocore_is_verified(query: str) -> None:
    request = AWSRequest("PUT", URL + query, headers={"x-amz-meta-a": " b  c ", "Content-Type": "text/plain"})
    HmacV1QueryAuth(CREDENTIALS, expires=60).add_auth(request)
    sent = request.url.partition("?")[2]
    parameters = parameters_of(sent)
    claim = signature_two.claim_of_query(parameters)
    headers = {name: value for name, value in parameters.items() if name.startswith("x-amz-")}
    headers["content-type"] = "text/plain"
    text = signature_two.string_to_sign(Signed("PUT", "/bucket/a%20b%2Fc", sent, headers), claim, "")
    assert signature_two.sign(SECRET, text) == claim.signature
    assert (claim.token, claim.is_presigned) == ("to/ken+==", True)
    assert signature_two.is_claimed(parameters)


@pytest.mark.parametrize("query", ["", "?versioning", "?versionId=3&x=y"])
def test_a_header_of_botocore_is_verified(query: str) -> None:
    request = AWSRequest("GET", URL + query, headers={"Content-MD5": "abc=="})
    HmacV1Auth(CREDENTIALS).add_auth(request)
    headers = header_names([(name, str(value)) for name, value in request.headers.items()])
    claim = signature_two.claim_of_header(headers["authorization"], headers)
    text = signature_two.string_to_sign(Signed("GET", "/bucket/a%20b%2Fc", query[1:], headers), claim, "")
    assert signature_two.sign(SECRET, text) == claim.signature
    assert (claim.access_key, claim.token) == ("AKIDEXAMPLE", "to/ken+==")
    assert signature_two.moment_of(claim.stamp) is not None
    hosted = signature_two.string_to_sign(Signed("GET", "/a%20b%2Fc", query[1:], headers), claim, "bucket")
    assert hosted == text


def test_what_is_no_claim_is_refused_in_the_words_of_s3() -> None:
    with pytest.raises(Fault, match="requires the Signature, Expires and AWSAccessKeyId"):
        signature_two.claim_of_query({"AWSAccessKeyId": "a", "Signature": "b"})
    with pytest.raises(Fault, match="should be seconds since epoch"):
        signature_two.claim_of_query({"AWSAccessKeyId": "a", "Signature": "b", "Expires": "tomorrow"})
    with pytest.raises(Fault, match="Expected AwsAccessKeyId:signature"):
        signature_two.claim_of_header("AWS nothing", {})
    assert signature_two.moment_of("yesterday") is None
    assert not signature_two.is_claimed({"Signature": "b"})


def test_the_path_of_a_bucket_may_be_signed_with_a_slash_that_is_not_sent() -> None:
    request = AWSRequest("GET", "http://localhost:4566/bucket?list-type=2", auth_path="/bucket/")
    HmacV1Auth(CREDENTIALS).add_auth(request)
    headers = header_names([(name, str(value)) for name, value in request.headers.items()])
    claim = signature_two.claim_of_header(headers["authorization"], headers)
    texts = signature_two.strings_to_sign(Signed("GET", "/bucket", "list-type=2", headers), claim, "")
    assert claim.signature in [signature_two.sign(SECRET, text) for text in texts]
    assert len(signature_two.strings_to_sign(Signed("GET", "/bucket/key", "", headers), claim, "")) == 1
