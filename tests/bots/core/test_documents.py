"""Files given to /ask: attached, in the message that is answered, several at once."""

import pytest
import pytest_asyncio

from bots.core import texts
from bots.core.types import QuotedMessage
from tests.api.media.samples import case
from tests.bots.core.recording_chat import Place, attachment
from tests.bots.core.test_image_video import png
from tests.sandbox_server import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")
REPORT = attachment(case("documents/report.pdf"), "application/pdf", "report.pdf")
NOTES = attachment(b"name;sum\nAna;12\n", "text/csv", "a.csv")
ZIP = attachment(b"PK\x03\x04", "application/zip", "a.zip")


@pytest_asyncio.fixture(loop_scope="module")
async def place(joined: Place) -> Place:
    return joined


async def test_files_and_pictures_come_with_one_question(place: Place) -> None:
    picture = attachment(png(), "application/octet-stream", "shot")
    said = place.inbound("/ask what is this?", attachments=(REPORT, NOTES, picture))
    text = (await place.answer(said))[-1].text
    assert "“report.pdf” of 3 pages" in text
    assert "“a.csv”, which begins with “name;sum Ana;12”" in text
    assert "I was given 1 picture" in text


async def test_what_is_in_this_in_reply_to_a_file(place: Place, sandbox: Sandbox) -> None:
    quoted = QuotedMessage("m2", "", attachments=(REPORT,), author="Bea")
    (last,) = (await place.answer(place.inbound("/ask what is in this?", quoted=quoted)))[-1:]
    assert "“report.pdf”" in last.text
    assert "I still have the file “report.pdf”" in (await place.say("/ask and?"))[-1].text

    await place.answer(place.inbound("/ask", attachments=(NOTES,)))
    asked = sandbox.calls("chat")[-1]["body"]["messages"][-1]["content"]
    assert texts.describe_file() in asked


async def test_a_scan_is_read_when_that_is_said(place: Place, sandbox: Sandbox) -> None:
    scan = attachment(case("documents/scan.pdf"), "application/pdf", "scan.pdf")
    (refused,) = await place.answer(place.inbound("/ask what?", attachments=(scan,)))
    assert "costs $0.004 more" in refused.text
    assert "/ask --scan" in refused.text
    read = await place.answer(place.inbound("/ask --scan what?", attachments=(scan,)))
    assert "“scan.pdf” of 2 pages" in read[-1].text
    engine = sandbox.calls("chat")[-1]["body"]["plugins"][0]["pdf"]["engine"]
    assert engine == "mistral-ocr"


async def test_files_that_cannot_be_read_are_told_in_words(place: Place) -> None:
    (refused,) = await place.answer(place.inbound("/ask what?", attachments=(ZIP,)))
    assert "This DOCX file is damaged" in refused.text or "I read PDF, DOCX" in refused.text
    many = tuple(attachment(b"tea %d" % n, "text/plain", "a.txt") for n in range(9))
    (refused,) = await place.answer(place.inbound("/ask what?", attachments=many))
    assert refused.text == texts.documents_too_many(8)
    # beside words the file may not be what is meant
    quoted = QuotedMessage("m2", "Look at this", attachments=(ZIP,), author="Bea")
    answered = await place.answer(place.inbound("/ask what?", quoted=quoted))
    assert "Look at this" in answered[-1].text or not answered[-1].preview
