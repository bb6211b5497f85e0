"""Documents of people: what they are, and those that cannot be read, over the real decoder and the
real route."""

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import docx
import httpx
import pytest

from api.media.document_reading import CHARS_MAX, PAGES_MAX
from api.media.file_types import PDF, TEXT
from tests.api.harness import Api, running_api
from tests.api.media.samples import case, picture
from tests.sandbox_server import Sandbox


@pytest.fixture
async def api(sandbox: Sandbox, postgres_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path, sandbox, database_url=postgres_url) as running:
        yield running


def letter() -> bytes:
    """Return a DOCX with a heading, a list and a table."""
    document = docx.Document()
    document.add_heading("Plan", 1)
    document.add_paragraph("We meet on Friday.")
    document.add_paragraph("Bread", style="List Bullet")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "Ana", "12"
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def zipped(**parts: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return written.getvalue()


def many_pages() -> bytes:
    import pypdfium2

    pdf = pypdfium2.PdfDocument.new()
    for _ in range(PAGES_MAX + 1):
        pdf.new_page(100, 100)
    written = io.BytesIO()
    pdf.save(written)
    return written.getvalue()


async def sent(client: httpx.AsyncClient, data: bytes, name: str = "a.txt") -> httpx.Response:
    kind = "application/octet-stream"
    return await client.post("/documents", files={"file": (name, data, kind)})


async def test_each_kind_is_read_by_its_bytes(api: Api) -> None:
    wanted = [
        ("report.exe", case("documents/report.pdf"), PDF, 3, "Harbour report"),
        ("owner.pdf", case("documents/owner-only.pdf"), PDF, 3, ""),
        ("letter.bin", letter(), TEXT, None, "# Plan\nWe meet on Friday.\n- Bread\nAna | 12"),
        ("a.csv", "Größe;Preis\r\nXL;9,50 €\r\n".encode("cp1252"), TEXT, None, "Größe;Preis"),
        ("b.csv", "name\tamount\nÅsa\t3\n".encode("utf-16"), TEXT, None, "name\tamount\nÅsa\t3"),
        ("c.py", b"\xef\xbb\xbfprint('hi')\n", TEXT, None, "print('hi')"),
    ]
    async with await api.user() as ana:
        for name, data, kind, pages, begins in wanted:
            answer = await sent(ana, data, name)
            assert answer.status_code == 201, (name, answer.text)
            found = answer.json()
            assert (found["name"], found["content_type"], found["pages"]) == (name, kind, pages)
            kept = await ana.get(found["url"])
            assert kept.headers["content-disposition"].startswith("attachment;")
            if kind == TEXT:
                assert kept.text.startswith(begins)
            else:
                assert kept.content == data
        scan = (await sent(ana, case("documents/scan.pdf"))).json()
        assert (scan["pages"], scan["chars"]) == (2, 0)


async def test_a_file_that_cannot_be_read_is_refused_with_its_reason(api: Api) -> None:
    bomb = zipped(word__document_xml=b"0" * 160_000_000)
    ole = bytes.fromhex("d0cf11e0a1b11ae1")
    refused = {
        "document_locked": [
            case("documents/locked.pdf"),
            ole + "EncryptedPackage".encode("utf-16-le"),
        ],
        "document_damaged": [
            case("documents/report.pdf")[:300],
            letter()[:3000],
            zipped(word__document_xml=b"<w:document"),
        ],
        "document_kind": [ole + bytes(600), zipped(xl__workbook_xml=b"<x/>"), zipped(a=b"a")],
        "document_not_text": [bytes(range(256)) * 40, b"ID3" + bytes(300)],
        "document_empty": [b"", b" \r\n\t", zipped(word__document_xml=b"")[:0]],
        "document_is_picture": [picture("PNG")],
        "document_unpacks": [bomb],
        "document_too_long": [b"word " * (CHARS_MAX // 5 + 1)],
        "document_pages": [many_pages()],
    }
    async with await api.user() as ana:
        for reason, files in refused.items():
            for data in files:
                answer = await sent(ana, data)
                assert answer.status_code in {413, 415}, (reason, answer.text)
                assert answer.json()["reason"] == reason
        large = await sent(ana, bytes(20_000_001))
        assert large.json()["code"] == "too_large"


async def test_the_same_key_gives_the_same_document(api: Api) -> None:
    async with await api.user() as ana:
        files = {"file": ("a.txt", b"tea", "text/plain")}
        named = {"Idempotency-Key": "k1"}
        first = (await ana.post("/documents", files=files, headers=named)).json()
        again = (await ana.post("/documents", files=files, headers=named)).json()
        assert first["id"] == again["id"]
        other = {"file": ("a.txt", b"milk", "text/plain")}
        refused = await ana.post("/documents", files=other, headers=named)
        assert refused.json()["reason"] == "key_of_other_request"


async def test_a_name_says_nothing_but_a_name(api: Api) -> None:
    async with await api.user() as ana:
        found = (await sent(ana, b"tea", "C:\\x\\..\\<b>\u202etxt")).json()
        assert found["name"] == "btxt"
