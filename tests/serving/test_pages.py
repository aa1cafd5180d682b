from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import Start
from tiltyard.serving.http.page_files import FOLDER, build_page
from tiltyard.serving.problem_details import EXPLAINED

FILES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".html", ".css", ".js"))
PAGES = ("/", "/docs", "/reference")

PAGE_OF_SCRIPT = {
    "index": "index",
    "results": "index",
    "history": "index",
    "docs": "docs",
    "reference": "reference",
}


class Parts(HTMLParser):
    """What a page loads, names, and refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []
        self.inline: list[str] = []
        self.language = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in ("link", "script", "img"):
            self.assets.append(values.get("href") or values.get("src") or "")
        self.ids += [values["id"]] if "id" in values else []
        self.labels += [values["for"]] if tag == "label" and "for" in values else []
        self.inline += [name for name in values if name.startswith("on") or name == "style"]
        if tag == "html":
            self.language = values.get("lang", "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_page_names_no_outside_host(file: Path) -> None:
    """Nothing in a page, style or script refers to another host."""
    assert re.findall(r"(?:https?:|wss?:|[\"'(])//[^\s\"')]+", file.read_text(encoding="utf-8")) == []


@pytest.mark.requirement("R-SERVE-09")
@pytest.mark.parametrize("path", PAGES)
def test_page_needs_only_this_server(start: Start, path: str) -> None:
    """A page and all that it loads come from this server, and its policy forbids anything else."""
    with httpx.Client(base_url=start().url) as client:
        page = client.get(path)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert set(re.findall(r"-src '?([^';]+)'?", policy)) == {"none", "self"}
        parts = Parts(page.text)
        assert parts.assets
        for asset in parts.assets:
            assert client.get(asset).status_code == 200, asset
        # The policy forbids inline scripts and styles, so none may be there.
        assert parts.inline == []
        again = client.get(path, headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", PAGES)
def test_ids_and_labels_of_a_page_fit(start: Start, path: str) -> None:
    """A page has a language, ids that are there once, and labels that belong to something."""
    parts = Parts(httpx.get(f"{start().url}{path}").text)
    assert parts.language == "en"
    assert len(parts.ids) == len(set(parts.ids))
    assert set(parts.labels) <= set(parts.ids)


def test_scripts_find_what_they_look_for() -> None:
    """Every element that a script takes by its id is in its page."""
    for name, page in PAGE_OF_SCRIPT.items():
        script = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
        wanted = set(re.findall(r"\bget\(\"([\w-]+)\"\)", script))
        assert wanted
        assert wanted <= set(Parts(build_page(f"{page}.html")).ids)


@pytest.mark.parametrize("path", ["/pages/none.css", "/pages/..%2Fapp.py", "/pages/__init__.py", "/pages/base.html"])
def test_only_pages_are_sent(start: Start, path: str) -> None:
    """No other file can be had by the route of the pages."""
    assert httpx.get(f"{start().url}{path}").status_code == 404


@pytest.mark.requirement("R-SERVE-10")
def test_docs_is_swagger_ui_from_this_server(start: Start) -> None:
    """`/docs` is Swagger UI, whose script and style come packed or plain, as the client accepts them."""
    with httpx.Client(base_url=start().url) as client:
        assert "swagger-ui-bundle.js" in client.get("/docs").text
        packed = client.get("/pages/swagger-ui-bundle.js")
        plain = client.get("/pages/swagger-ui-bundle.js", headers={"Accept-Encoding": "identity"})
        assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
        assert packed.content == plain.content
        assert b"SwaggerUIBundle" in plain.content


def test_every_kind_of_problem_is_explained(start: Start) -> None:
    """The type of a problem leads over the docs page to its explanation, and every explained kind is there."""
    url = start().url
    docs = Parts(httpx.get(f"{url}/reference").text)
    assert set(docs.ids) >= EXPLAINED
    assert "location.replace(`reference#${anchor}`)" in httpx.get(f"{url}/pages/docs.js").text
    for response in (
        httpx.post(f"{url}/predict", json={"text": "a"}),
        httpx.get(f"{url}/nowhere"),
        httpx.get(f"{url}/predict"),
    ):
        page, _, anchor = response.json()["type"].partition("#")
        assert page == "/docs"
        assert anchor in docs.ids
