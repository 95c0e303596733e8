"""Whole pages and fragments from views: one file, nothing fetched, every word escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from gradproof._html.view import ReportView


@dataclass(frozen=True, slots=True)
class Part:
    """One report on a page of several: its anchor and its view."""

    id: str
    view: ReportView


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table in front of a page of several reports; `id` is the anchor of its part, if it has one."""

    id: str
    name: str
    verdict: str
    sign: str
    sentence: str
    digits: str
    history: Markup | None = None


def page(title: str, parts: Sequence[Part], index: Sequence[Entry] = (), trouble: str = "") -> str:
    """A whole page as HTML text: readable without a network and without scripts; `trouble` is told above the table."""
    return _environment().get_template("page.html").render(
        title=title, index=index, trouble=trouble, style=_own("style.css"), script=_own("script.js"),
        parts=[{"id": part.id, "body": _section(part.view)} for part in parts],
    )  # fmt: skip


def fragment(view: ReportView) -> str:
    """One report as a piece of HTML with its own style, for notebooks."""
    return str(Markup("<style>{}</style>{}").format(_own("style.css"), _section(view)))


def _section(view: ReportView) -> Markup:
    filled = _environment().get_template("report.html").render(view=view)
    return Markup(filled)  # noqa: S704 the template has escaped it


def _own(name: str) -> Markup:
    return Markup(_asset(name))  # noqa: S704 a file of this package


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_asset),
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


@cache
def _asset(name: str) -> str:
    return files("gradproof._html").joinpath("templates", name).read_text(encoding="utf-8")
