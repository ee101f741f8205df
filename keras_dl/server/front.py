"""What people open in a browser: the page, its files, and the pages of the API.

All addresses in them are relative, so that they work below any path that a reverse proxy shows them at, and the proxy
need not tell which. The page's own requests start from where its script came from (`page/api.js`).
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from keras_dl.server.guard import COOKIE

PAGE = Path(__file__).with_name("page")
YEAR = 365 * 86400  # seconds
DOCS = "static-offline-docs"  # where fastapi_offline mounts Swagger UI's files


def policy(ancestors: Sequence[str] = ()) -> str:
    """Return the page's Content-Security-Policy; sites named as `ancestors` may show it in a frame."""
    (script,) = re.findall(r"<script>(.*?)</script>", (PAGE / "index.html").read_text("utf-8"), re.DOTALL)
    own = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    around = " ".join(ancestors) or "'none'"
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{own}'; style-src 'self'; img-src 'self' data: blob:; "
        f"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {around}"
    )


def add_front(app: FastAPI, ancestors: Sequence[str] = (), root: str = "") -> None:
    """Add the page and the pages of the API to an application; `root` is the path that clients see before ours."""
    headers = {"Content-Security-Policy": policy(ancestors), "Referrer-Policy": "no-referrer"}

    async def page(request: Request) -> Response:
        response = FileResponse(PAGE / "index.html", headers={**headers, "Cache-Control": "no-cache"})
        if not COOKIE.search(request.headers.get("cookie", "")):
            same_site: Any = "none" if ancestors else "strict"  # in a frame of another site only "none" is sent
            named = {"httponly": True, "samesite": same_site, "secure": bool(ancestors), "path": root or "/"}
            response.set_cookie("keras_dl_client", uuid.uuid4().hex, max_age=YEAR, **named)
        return response

    async def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            title="keras-dl: the API",
            openapi_url="openapi.json",
            oauth2_redirect_url=None,
            swagger_js_url=f"{DOCS}/swagger-ui-bundle.js",
            swagger_css_url=f"{DOCS}/swagger-ui.css",
            swagger_favicon_url="static/icon.svg",
        )

    async def without_slash() -> Response:
        return RedirectResponse("../docs")  # FastAPI's own redirect names the whole address, without a proxy's path

    for path, function in (("/", page), ("/docs", docs), ("/docs/", without_slash)):
        app.add_api_route(path, function, methods=["GET"], name="page", include_in_schema=False)
    app.mount("/static", Fresh(directory=PAGE), name="static")


class Fresh(StaticFiles):
    """Files that a browser asks for again: after an upgrade it must not mix old and new ones."""

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return a file with that wish."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response
