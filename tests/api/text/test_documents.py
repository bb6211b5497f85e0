"""Questions about documents: sent along, remembered in the conversation, paid, and erased."""

import io
import zipfile
from decimal import Decimal
from typing import Any

import httpx

from api.schemas import usd
from tests.api.harness import Api
from tests.api.media.samples import case
from tests.sandbox_server import Sandbox

PLAIN, NATIVE = "openai/gpt-5-mini", "google/gemini-2.5-flash"


async def document(client: httpx.AsyncClient, data: bytes, name: str) -> str:
    answer = await client.post("/documents", files={"file": (name, data, "text/plain")})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


async def asked(client: httpx.AsyncClient, prompt: str, **more: Any) -> dict[str, Any]:
    body = {"prompt": prompt, "model": PLAIN, **more}
    answer = await client.post("/generate/text", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def last_body(sandbox: Sandbox) -> dict[str, Any]:
    body: dict[str, Any] = sandbox.calls("chat")[-1]["body"]
    return body


def parts(body: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    contents = [message["content"] for message in body["messages"]]
    found = [part for content in contents if isinstance(content, list) for part in content]
    return [part for part in found if part["type"] == kind]


async def test_a_pdf_is_read_once_for_its_conversation(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    report = await document(ana, case("documents/report.pdf"), "report.pdf")
    first = await asked(ana, "How many ships?", documents=[report])
    assert "“report.pdf” of 3 pages, which begins with “Harbour report" in first["text"]
    body = last_body(sandbox)
    assert body["plugins"] == [{"id": "file-parser", "pdf": {"engine": "cloudflare-ai"}}]
    assert [part["file"]["filename"] for part in parts(body, "file")] == ["report.pdf"]

    talk = first["conversation_id"]
    second = await asked(ana, "And the crane?", conversation_id=talk)
    assert "I still have the file “report.pdf”" in second["text"]
    body = last_body(sandbox)
    assert "plugins" not in body
    assert not parts(body, "file")
    assert [len(message.get("annotations", ())) for message in body["messages"]] == [0, 1, 0]

    shown = (await ana.get(f"/conversations/{talk}")).json()["messages"]
    assert [[one["name"] for one in message["documents"]] for message in shown] == [
        ["report.pdf"],
        [],
        [],
        [],
    ]
    assert (await ana.get(shown[0]["documents"][0]["url"])).content.startswith(b"%PDF")


async def test_a_model_that_takes_files_gets_the_file_each_time(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    report = await document(ana, case("documents/report.pdf"), "report.pdf")
    first = await asked(ana, "How many ships?", documents=[report], model=NATIVE)
    assert last_body(sandbox)["plugins"][0]["pdf"] == {"engine": "native"}
    talk = first["conversation_id"]
    await asked(ana, "And?", conversation_id=talk, model=NATIVE)
    assert len(parts(last_body(sandbox), "file")) == 1
    # another model has it read, and then it is read
    await asked(ana, "And?", conversation_id=talk)
    assert last_body(sandbox)["plugins"][0]["pdf"] == {"engine": "cloudflare-ai"}


async def test_a_scan_is_read_only_when_that_is_wanted_and_paid(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    scan = await document(ana, case("documents/scan.pdf"), "scan.pdf")
    body = {"prompt": "What is it?", "model": PLAIN, "documents": [scan]}
    refused = await ana.post("/generate/text", json=body)
    assert refused.status_code == 422
    assert refused.json()["reason"] == "document_scanned"
    assert refused.json()["params"]["cost_usd"] == "0.004000"
    assert not sandbox.calls("chat")

    estimate = await ana.post("/generate/estimate", json={**body, "kind": "text", "scan": True})
    answer = await asked(ana, "What is it?", documents=[scan], scan=True)
    assert last_body(sandbox)["plugins"][0]["pdf"] == {"engine": "mistral-ocr"}
    (held,) = await api.services.db.fetch("SELECT amount_micro FROM holds")
    assert usd(held["amount_micro"]) == Decimal(estimate.json()["cost_usd"])
    assert Decimal("0.004") < Decimal(answer["cost_usd"]) <= Decimal(estimate.json()["cost_usd"])
    # what the provider has read once is not paid once more
    again = await asked(ana, "And?", conversation_id=answer["conversation_id"])
    assert Decimal(again["cost_usd"]) < Decimal("0.004")


async def test_text_goes_into_the_words_and_stays(ana: httpx.AsyncClient, sandbox: Sandbox) -> None:
    notes = await document(ana, b"name;sum\nAna;12\n", "a.csv")
    code = await document(ana, b"print('tea')\n", "b.py")
    first = await asked(ana, "Which sum?", documents=[notes, code])
    sent = last_body(sandbox)["messages"][0]["content"]
    assert '<file name="a.csv">\nname;sum\nAna;12\n</file>' in sent
    assert sent.endswith("Which sum?")
    assert "“a.csv”, which begins with “name;sum Ana;12”" in first["text"]
    await asked(ana, "And?", conversation_id=first["conversation_id"])
    assert "print('tea')" in last_body(sandbox)["messages"][0]["content"]


async def test_documents_go_with_their_conversation(api: Api, ana: httpx.AsyncClient) -> None:
    report = await document(ana, case("documents/report.pdf"), "report.pdf")
    notes = await document(ana, b"tea", "a.txt")
    talk = (await asked(ana, "What?", documents=[report, notes]))["conversation_id"]
    keys = [row["key"] for row in await api.services.db.fetch("SELECT key FROM media")]
    assert len(keys) == 3  # the reading of the PDF is beside it
    assert (await ana.delete(f"/conversations/{talk}")).status_code == 204
    assert await api.services.db.fetch("SELECT key FROM media") == []
    for key in keys:
        assert key not in await api.services.media.files.files(key[:2])


async def test_only_ones_own_documents_are_read(
    api: Api, ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    notes = await document(ana, b"tea", "a.txt")
    async with await api.user("eve") as eve:
        body = {"prompt": "What?", "model": PLAIN, "documents": [notes]}
        refused = await eve.post("/generate/text", json=body)
        assert (refused.status_code, refused.json()["reason"]) == (404, "file_unknown")
        assert (await eve.get(f"/media/{notes}")).status_code == 404
    # a document is no picture
    body = {"prompt": "What?", "model": PLAIN, "images": [notes]}
    assert (await ana.post("/generate/text", json=body)).json()["reason"] == "image_unknown"
    assert not sandbox.calls("chat")


async def test_a_document_that_the_model_has_no_room_for_is_refused(
    ana: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    long = await document(ana, b"word " * 79_000, "a.txt")
    longer = [await document(ana, b"%d word " % n * 40_000, f"{n}.txt") for n in range(4)]
    body = {"prompt": "What?", "model": PLAIN, "documents": [long, *longer]}
    refused = await ana.post("/generate/text", json=body)
    assert refused.json()["reason"] == "model_reads_less"
    assert not sandbox.calls("chat")


async def test_an_export_has_the_documents(ana: httpx.AsyncClient) -> None:
    notes = await document(ana, b"tea", "a.txt")
    await asked(ana, "What?", documents=[notes])
    archive = await ana.get("/users/me/export")
    assert archive.status_code == 200
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        assert files.read(f"media/{notes}.plain") == b"tea"
        assert notes in files.read("messages.json").decode()
