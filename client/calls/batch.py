"""The call that asks several questions at once."""

from collections.abc import Sequence
from typing import Any

import httpx

from client.call import Call
from client.schemas import BatchIn, BatchOut


def joins(call: Call[Any]) -> bool:
    """Tell whether a call can be a part of a batch: a question with an answer in JSON."""
    return call.method == "GET" and not call.headers and call.answer not in (None, bytes)


def batch(questions: Sequence[Call[Any]]) -> Call[BatchOut]:
    """Ask all of these, up to `BATCH_MAX`. They take as long as the slowest."""
    within = [each.within for each in questions if each.within is not None]
    return Call(
        "POST",
        "/batch",
        BatchOut,
        body=BatchIn(paths=[_address(each) for each in questions]),
        within=max(within, default=None),
        harmless=True,
    )


def _address(call: Call[Any]) -> str:
    url = httpx.URL(call.path)
    return (url.copy_merge_params(call.query) if call.query else url).raw_path.decode()
