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
    """One report on a page: its anchor and its view."""

    id: str
    view: ReportView


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a run: its line in the table, and below it what is told of it, its baselines and its reports.

    `sign` carries the verdict without colour; `right` cases are folded. A case without anything below has only its line.
    """

    id: str
    name: str
    verdict: str
    sign: str
    sentence: str
    digits: str
    place: str = ""
    told: tuple[str, ...] = ()
    bars: Markup | None = None
    moments: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    right: bool = False

    @property
    def below(self) -> bool:
        """Whether there is more than its line."""
        return bool(self.told or self.parts)


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases have a verdict, for the buttons that choose among them."""

    verdict: str
    sign: str
    number: int


def report_page(title: str, part: Part) -> str:
    """The page of one report as HTML text: readable without a network and without scripts."""
    body = _section(part)
    return _page("report_page.html", title, body=body, id=part.id)


def run_page(
    title: str, headline: str, cases: Sequence[Case], counts: Sequence[Count], trouble: str = ""
) -> str:
    """The page of a run: a table of every case, and each case with its reports; `trouble` is told above the table."""
    sections = {part.id: _section(part) for case in cases for part in case.parts}
    return _page(
        "run_page.html", title, headline=headline, cases=cases, counts=counts, trouble=trouble, sections=sections
    )  # fmt: skip


def fragment(view: ReportView) -> str:
    """One report as a piece of HTML with its own style, for notebooks."""
    return str(Markup("<style>{}</style>{}").format(_own("style.css"), _section(Part("", view))))


def _page(template: str, title: str, **given: object) -> str:
    filled = _environment().get_template(template)
    return filled.render(title=title, style=_own("style.css"), script=_own("script.js"), **given)


def _section(part: Part) -> Markup:
    filled = _environment().get_template("report.html").render(view=part.view)
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
