"""Static files: text is compressed for browsers that accept it, and all files together stay
small."""

import gzip
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr

import admin_web
from admin_web.app import create_app
from admin_web.settings import WebSettings

STATIC = Path(admin_web.__file__).parent / "static"
FONT = "vendor/inter/inter-latin-wght-normal.woff2"
MOST = 240_000
"""A first visit may fetch 300 KB; the largest page itself is 60."""


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    return create_app(
        WebSettings(_env_file=None, web_session_key=SecretStr("k" * 40))
    ).test_client()


@pytest.mark.parametrize(
    "name", ["css/base.css", "js/every_page.js", "icons.svg", "css/../css/base.css"]
)
def test_text_is_compressed_for_who_takes_it(client: FlaskClient, name: str) -> None:
    whole = (STATIC / name).read_bytes()
    plain, packed = (
        client.get(f"/static/{name}", buffered=True),
        client.get(f"/static/{name}", buffered=True, headers={"Accept-Encoding": "br, gzip"}),
    )
    assert plain.data == whole
    assert "Content-Encoding" not in plain.headers
    assert (gzip.decompress(packed.data), packed.headers["Content-Encoding"]) == (whole, "gzip")
    assert packed.content_length == len(packed.data) < len(whole)
    assert "Accept-Encoding" in plain.vary
    assert "Accept-Encoding" in packed.vary
    known = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert client.get(f"/static/{name}", buffered=True, headers=known).status_code == 304
    assert (
        client.get(f"/static/{name}", buffered=True, headers={"Accept-Encoding": "gzip;q=0"}).data
        == whole
    )


def test_a_page_and_a_font_are_sent_as_they_are(client: FlaskClient) -> None:
    for path in ("/login", f"/static/{FONT}"):
        assert (
            "Content-Encoding"
            not in client.get(path, buffered=True, headers={"Accept-Encoding": "gzip"}).headers
        )
    answer = client.get("/static/css/none.css", buffered=True, headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 404


def test_all_static_files_together_leave_room_for_a_page(client: FlaskClient) -> None:
    """Both fonts are counted: names may have letters of either."""
    files = [
        path.relative_to(STATIC).as_posix()
        for path in STATIC.rglob("*")
        if path.suffix in {".css", ".js", ".svg", ".woff2"}
    ]
    assert (
        sum(
            len(
                client.get(
                    f"/static/{name}", buffered=True, headers={"Accept-Encoding": "gzip"}
                ).data
            )
            for name in files
        )
        < MOST
    )
