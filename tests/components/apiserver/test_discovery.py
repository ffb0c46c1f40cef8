"""Discovery, OpenAPI and the small pages."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


async def test_aggregated_discovery_has_an_etag(api):
    answer = await api.answer("GET", "/apis", accept=f"{AGGREGATED},application/json")
    assert answer.headers["Content-Type"] == AGGREGATED
    tag = answer.headers["ETag"]
    again = await api.answer("GET", "/apis", accept=AGGREGATED, headers=[("If-None-Match", tag)])
    assert again.status == 304 and again.body == b""
    await api.must_do("GET", "/api", accept=AGGREGATED)


async def test_plain_discovery_names_groups_versions_and_resources(api):
    assert (await api.must_do("GET", "/api"))["versions"] == ["v1"]
    groups = {one["name"] for one in (await api.must_do("GET", "/apis"))["groups"]}
    assert {"apps", "batch", "autoscaling", "rbac.authorization.k8s.io"} <= groups
    resources = await api.must_do("GET", "/api/v1")
    assert "pods/exec" in {one["name"] for one in resources["resources"]}
    answer = await api.answer("GET", "/apis/none.example.com")
    assert answer.status == 404


async def test_openapi_v3_is_kept_for_ever_under_its_hash(api):
    index = await api.must_do("GET", "/openapi/v3")
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    answer = await api.answer("GET", url)
    assert answer.status == 200 and "immutable" in answer.headers["Cache-Control"]
    stale = await api.answer("GET", "/openapi/v3/apis/apps/v1?hash=old")
    assert stale.status == 301 and stale.headers["Location"] == url
    assert (await api.answer("GET", "/openapi/v3/apis/nothing/v1")).status == 404


async def test_health_pages_say_ok_and_details_on_request(api):
    for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
        assert (await api.answer("GET", path)).body == b"ok"
    assert b"[+]etcd ok" in (await api.answer("GET", "/readyz?verbose")).body


async def test_version_keys_and_unknown_paths(api):
    assert (await api.must_do("GET", "/version"))["minor"] == "36"
    assert (await api.must_do("GET", "/openid/v1/jwks"))["keys"]
    issuer = await api.must_do("GET", "/.well-known/openid-configuration")
    assert issuer["issuer"] == "https://issuer" and issuer["jwks_uri"].endswith("/openid/v1/jwks")
    answer = await api.answer("GET", "/nowhere")
    assert answer.status == 404 and answer.body == b"404 page not found\n"


async def test_requests_are_counted(api):
    await api.must_do("GET", "/api/v1/nodes")
    answer = await api.answer("GET", "/metrics")
    assert b'maru_apiserver_requests_total{verb="list",code="200"} 1' in answer.body
