"""Every endpoint that the conformance tests call is there.

The list holds facts: path, method and operation as the API's own OpenAPI names them.
"""

import csv
from pathlib import Path

import pytest

ROWS = list(csv.DictReader((Path(__file__).parent / "conformance_endpoints.tsv").open(), delimiter="\t"))
MEDIA = {"PATCH": "application/merge-patch+json"}


async def test_no_endpoint_of_the_conformance_tests_is_missing(api):
    missing = []
    for row in ROWS:
        path = row["path"].replace("{namespace}", "default").replace("{name}", "nobody").replace("{path}", "x")
        body = {} if row["method"] in ("POST", "PUT", "PATCH") else None
        answer = await api.answer(row["method"], path, body, media=MEDIA.get(row["method"], "application/json"))
        text = answer.body if isinstance(answer.body, bytes) else b""
        is_no_path = answer.status == 404 and (
            b"404 page not found" in text or b"could not find the requested resource" in text
        )
        if is_no_path or answer.status in (405, 501) or answer.status >= 500:
            missing.append((row["method"], path, answer.status, text[:200]))
        if not isinstance(answer.body, bytes):
            await answer.body.aclose()
    assert not missing


@pytest.mark.parametrize("path", ["/api/v1/nothings", "/apis/none.example.com/v1/things", "/api/v1/pods/x/nothing"])
async def test_a_path_that_nothing_serves_is_not_found(api, path):
    status = await api.must_refuse(404, "GET", path)
    assert status["message"] == "the server could not find the requested resource"


async def test_a_method_that_a_kind_lacks_is_not_allowed(api):
    await api.must_refuse(405, "PUT", "/api/v1/namespaces/default/configmaps", {})
    await api.must_refuse(405, "DELETE", "/api/v1/namespaces")
