"""The files of the server's pages: one frame around every page, and what the pages load."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent / "pages"

_SWAGGER = FOLDER / "swagger"
_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True)
class PageFile:
    """A file that a browser gets.

    Attributes:
        content: its bytes as they are stored.
        media: its media type.
        packed: whether they are compressed with gzip.
        tag: its ETag, which is weak: the content is the same, packed or not.
    """

    content: bytes
    media: str
    packed: bool
    tag: str


@dataclass(frozen=True)
class _Frame:
    """What the frame of a page says of it.

    Attributes:
        title: in the window and in bookmarks.
        skip: id and name of where the link for keyboards leads, past the menu.
        links: the menu, addresses and names.
        scripts: what it loads after the common ones, in order.
        styles: what it loads after the common one.
        status: an element between the name and the menu.
    """

    title: str
    skip: tuple[str, str]
    links: tuple[tuple[str, str], ...]
    scripts: tuple[str, ...]
    styles: tuple[str, ...] = ()
    status: str = ""


_FRAMES = {
    "index.html": _Frame(
        "Tiltyard",
        ("main", "the form"),
        (("docs", "API"), ("reference", "Reference"), ("health", "Health")),
        ("page.js", "results.js", "history.js", "index.js"),
        status='<span id="status" class="pill" role="status">connecting to the server …</span>',
    ),
    "docs.html": _Frame(
        "Swagger UI · Tiltyard",
        ("swagger-ui", "the routes"),
        (("./", "Predict"), ("reference", "Reference and errors"), ("openapi.json", "openapi.json")),
        ("swagger-ui-bundle.js", "docs.js"),
        styles=("swagger-ui.css",),
    ),
    "reference.html": _Frame(
        "API reference · Tiltyard",
        ("main", "the routes"),
        (("./", "Predict"), ("docs", "Swagger UI"), ("openapi.json", "openapi.json"), ("health", "Health")),
        ("reference.js",),
    ),
}


def read_page_files() -> dict[str, PageFile]:
    """All files of the pages by name, the pages in their frames."""
    assets = [path for path in FOLDER.iterdir() if path.suffix in _MEDIA and path.suffix != ".html"]
    plain = {path.name: _make_file(path.read_bytes(), path.suffix) for path in assets}
    packed = {
        path.stem: _make_file(path.read_bytes(), Path(path.stem).suffix, packed=True) for path in _SWAGGER.glob("*.gz")
    }
    pages = {name: _make_file(build_page(name).encode(), ".html") for name in _FRAMES}
    return {**plain, **packed, **pages}


def build_page(name: str) -> str:
    """A page in its frame: ``index.html``, ``docs.html`` or ``reference.html``."""
    frame = _FRAMES[name]
    main = _read_template(name).substitute(key_form=_indent(_read_template("key_form.html").template, 2))
    scripts = [f'<script src="pages/{script}" defer></script>' for script in ("key.js", *frame.scripts)]
    styles = [f'<link rel="stylesheet" href="pages/{style}">' for style in ("style.css", *frame.styles)]
    return _read_template("base.html").substitute(
        title=frame.title,
        styles=_indent("\n".join(styles), 2),
        scripts=_indent("\n".join(scripts), 2),
        skip_to=frame.skip[0],
        skip_name=frame.skip[1],
        status=frame.status,
        links=_indent("\n".join(f'<a href="{address}">{text}</a>' for address, text in frame.links), 6),
        main=main.rstrip(),
    )


def _read_template(name: str) -> Template:
    return Template((FOLDER / name).read_text(encoding="utf-8"))


def _indent(text: str, columns: int) -> str:
    """The lines of a text, all but the first indented: the first one stands where its place is."""
    return text.rstrip().replace("\n", "\n" + " " * columns)


def _make_file(content: bytes, ending: str, *, packed: bool = False) -> PageFile:
    return PageFile(content, _MEDIA[ending], packed, f'W/"{hashlib.sha256(content).hexdigest()[:16]}"')
