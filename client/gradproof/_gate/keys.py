"""Every key that the gate's configuration has: its name, what is expected, what it means, how it is read.

The validation, its messages and the file that `gate init` writes all come from these tables.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from gradproof._errors import RequestError
from gradproof._gate.toml_lines import Document, Path_
from gradproof._words import KIND_NAMES, PROFILE_NAMES

CODE: Final = re.compile(r"(GP\d{0,3}|F\d{0,2})")
"""A finding's code, or the beginning of several: `GP603`, `GP6`, `F`."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `read` gives the value in the gate's own form, or None for what is not `expected`."""

    name: str
    expected: str
    meaning: str
    read: Callable[[Any], Any]


def _number(value: Any, least: float = 0.0, *, above: bool = False) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) if value > least or (value == least and not above) else None


def _count(value: Any, least: int, most: int = 2**63) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and least <= value <= most else None


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _names(value: Any) -> tuple[str, ...] | None:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(v, str) and v.strip() for v in values):
        return None
    return tuple(values)


def _codes(value: Any) -> tuple[str, ...] | None:
    names = _names(value)
    return names if names is not None and all(map(CODE.fullmatch, names)) else None


def _one_of(*words: str) -> Callable[[Any], str | None]:
    return lambda value: value if isinstance(value, str) and value in words else None


def _folder(value: Any) -> str | bool | None:
    return False if value is False else _text(value)


def _table(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _words(value: Any) -> dict[str, str] | None:
    table = _table(value)
    return table if table is not None and all(isinstance(v, str) for v in table.values()) else None


def _point(value: Any) -> Any:
    return value if isinstance(value, dict | str) or (isinstance(value, list) and value) else None


KINDS_SAID: Final = ", ".join(KIND_NAMES)
SETTINGS: Final = (
    Key("rtol", "a number of zero or more", "relative difference forgiven beyond the error bars", _number),
    Key("atol", "a number of zero or more", "absolute difference forgiven beyond the error bars", _number),
    Key("tau", "a number of zero or more", "the relative error that `agrees` must be able to see", _number),
    Key("order", "1 or 2", "2 checks second derivatives too", lambda v: _count(v, 1, 2)),
    Key("profile", "numpy, torch or jax", "whose convention decides at kinks", _one_of(*PROFILE_NAMES)),
    Key("rng_seed", "a whole number of zero or more", "seeds every random choice", lambda v: _count(v, 0)),
    Key("points", "a whole number from 1 to 1000", "check at so many points: the given one, and others inside the domain",
        lambda v: _count(v, 1, 1000)),
    Key("drift_digits", "a number above zero", "digits in which numbers and baseline must match (default: from measured noise)",
        lambda v: _number(v, above=True)),
    Key("select", "codes of findings, such as [\"GP1\", \"GP603\"]", "the only findings that are told", _codes),
    Key("ignore", "codes of findings, such as [\"GP1\", \"GP603\"]", "findings that are not told", _codes),
    Key("errors", "codes of findings, such as [\"GP1\", \"GP603\"]", "findings that fail a case", _codes),
    Key("timeout_s", "a number of seconds above zero", "the longest that one case may take", lambda v: _number(v, above=True)),
    Key("inconclusive", "tell, fail or pass", "what an open verdict means: exit code 3, 1 or 0", _one_of("tell", "fail", "pass")),
    Key("min_kill_rate", "a number from 0 to 1", "the share of planted faults that `gate prove` must see fail",
        lambda v: _number(v) if (_number(v) or 0) <= 1 else None),
)  # fmt: skip
"""What may stand for all cases, for the cases of a path, and for one case; the nearest wins."""
CASE: Final = (
    Key("target", "a TARGET, such as \"model.py:loss\"", "what is checked; * ? [ ] in it make it a pattern", _text),
    Key("claim", "a TARGET, such as \"model.py:grad_loss\"", "the derivative you believe; {file} and {name} are the target's", _text),
    Key("claim_kind", f"one of {KINDS_SAID}", "what the claim returns; guessed when it can be", _one_of(*KIND_NAMES)),
    Key("at", "a table of inputs, \"@FILE.npz\", or several of them", "the point: each input by name", _point),
    Key("structure", "a table of inputs, each with its kind such as \"spd\"", "what inputs are", _words),
    Key("wrt", "names of inputs", "differentiate by these inputs only", _names),
    Key("outputs", "names of outputs", "differentiate these outputs only", _names),
    Key("skip", "a sentence that says why", "leave the case out, and say so", _text),
)  # fmt: skip
TOP: Final = (
    Key("baselines", "a folder, or false", "where the baselines are committed; false: numbers may move", _folder),
    Key("pythonpath", "names of folders", "where modules are looked for, besides the folder of this file", _names),
    Key("jobs", "a whole number of zero or more", "worker processes; 0 is one for each core", lambda v: _count(v, 0)),
    Key("budget_s", "a number of seconds above zero", "the longest that all cases together may take",
        lambda v: _number(v, above=True)),
    Key("per-path", "a table of patterns, each with settings", "settings for the cases whose files match", _table),
    Key("cases", "a table of cases by name", "the cases", _table),
)  # fmt: skip
SAMPLE: Final = (
    Key("sample", "normal, uniform or positive", "how the numbers are drawn", _one_of("normal", "uniform", "positive")),
    Key("shape", "whole numbers of one or more", "the shape; [] is one number",
        lambda v: tuple(v) if isinstance(v, list) and all(_count(n, 1) for n in v) else None),
    Key("rng_seed", "a whole number of zero or more", "seeds the draw (default: the case's)", lambda v: _count(v, 0)),
    Key("low", "a number", "the lower end of uniform numbers", lambda v: _number(v, -1e300)),
    Key("high", "a number", "the upper end of uniform numbers", lambda v: _number(v, -1e300)),
    Key("scale", "a number above zero", "the size of normal and positive numbers", lambda v: _number(v, above=True)),
    Key("dtype", "f64 or f32", "the precision", _one_of("f64", "f32")),
)  # fmt: skip


def read_table(
    document: Document, table: Mapping[str, Any], path: Path_, keys: tuple[Key, ...]
) -> dict[str, Any]:
    """The values of a table by key; raises `RequestError` with file and line for the first that does not fit."""
    known = {key.name: key for key in keys}
    values: dict[str, Any] = {}
    for name, given in table.items():
        where = document.where((*path, name))
        if name not in known:
            raise RequestError(f"{where}: {title(path)} has no key {name!r}; {_near(name, known)}")
        value = known[name].read(given)
        if value is None:
            raise RequestError(
                f"{where}: {name}: expected {known[name].expected}, {_said(given)} came"
            )
        values[name] = value
    return values


def title(path: Path_) -> str:
    """A table as its header is written, `[tool.gradproof.cases.loss]`."""
    return f"[{'.'.join(str(part) for part in path)}]" if path else "the file"


def _near(name: str, known: Mapping[str, Key]) -> str:
    plain = name.replace("-", "_").lower()
    near = difflib.get_close_matches(plain, list(known), 1, 0.5)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"


def _said(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
