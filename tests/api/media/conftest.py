from collections.abc import Callable, Iterator

import pytest

from tests.api.media.s3 import S3, s3_server

Choose = Callable[[str], None]


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def with_key(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Return a function that chooses the key of the stores made from then on."""

    def choose(name: str) -> None:
        for variable, value in s3.settings(name).items():
            monkeypatch.setenv(variable, value)

    return choose
