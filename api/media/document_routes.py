"""The route that takes documents."""

from fastapi import APIRouter, UploadFile

from api.callers import UserCaller
from api.media.documents import DOCUMENT_MAX, UNNAMED
from api.media.routes import MULTIPART_MARGIN, Key, MediaDep
from api.text.schemas import DocumentOut

router = APIRouter(tags=["media"])


@router.post("/documents", status_code=201, max_body_size=DOCUMENT_MAX + MULTIPART_MARGIN)
async def upload_document(
    media: MediaDep, caller: UserCaller, file: UploadFile, key: Key = None
) -> DocumentOut:
    """A file for a text model, of up to 20 MB: a PDF of up to 300 pages, a DOCX, or text of any
    kind (CSV, code, notes) of up to 400,000 characters, whatever its declared type says. A picture
    is refused with the reason `document_is_picture`: it goes to `/uploads`."""
    name, data = file.filename or UNNAMED, await file.read()
    return await media.documents.upload(caller.user_id, name, data, key)
