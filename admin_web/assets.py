"""Static files: addresses that change with the content, and compressed text.

Pages are not compressed: the length of a compressed page would betray the secrets in it to somebody
who can choose other parts of it.
"""

import gzip
import hashlib
import posixpath
from functools import cache
from pathlib import Path

from flask import Flask, Response, request, url_for
from markupsafe import Markup

TEXT = (".css", ".js", ".svg")


def prepare(app: Flask) -> None:
    folder = Path(app.root_path) / "static"
    addresses: dict[str, str] = {}
    packed: dict[str, bytes] = {}

    def asset(name: str) -> str:
        """Return the address of a static file, which is new whenever its content is. Kept, because
        pages have hundreds of icons and building an address takes time."""
        if name not in addresses:
            version = hashlib.sha256((folder / name).read_bytes()).hexdigest()[:12]
            addresses[name] = url_for("static", filename=name, v=version)
        return addresses[name]

    @cache
    def icon_svg(name: str) -> Markup:
        address = f"{asset('icons.svg')}#{name}"
        return Markup(
            '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}"></use></svg>'
        ).format(address)

    def pack(response: Response) -> Response:
        name = posixpath.normpath((request.view_args or {}).get("filename", ""))
        if request.endpoint != "static" or not name.endswith(TEXT):
            return response
        response.vary.add("Accept-Encoding")
        if (
            response.status_code == 200
            and request.method == "GET"
            and request.accept_encodings.quality("gzip")
        ):
            if name not in packed:
                packed[name] = gzip.compress((folder / name).read_bytes(), mtime=0)
            response.close()
            response.direct_passthrough = False
            response.set_data(packed[name])
            response.headers["Content-Encoding"] = "gzip"
            response.headers.pop("Accept-Ranges", None)
            response.set_etag(response.get_etag()[0] or "", weak=True)
        return response

    app.jinja_env.globals.update(asset=asset, icon_svg=icon_svg)
    app.after_request(pack)
