import pytest

from tests.components.apiserver.kit import running


@pytest.fixture
async def api(tmp_path):
    async with running(tmp_path) as api:
        yield api


@pytest.fixture
async def account(api):
    """The account that every Pod in default runs as."""
    await api.must_do("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
