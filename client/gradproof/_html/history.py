"""A line of small bars: digits of agreement over the accepted baselines of one case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from markupsafe import Markup

from gradproof._html.colours import css

_BAR, _HEIGHT, _FULL = 10, 32, 17.0
MOST: Final = 60


class Moment(Protocol):
    """One accepted baseline: its day, the digits in which claim and reference agreed, and why it was accepted."""

    @property
    def day(self) -> str:
        """The day, `2026-11-23`."""
        ...

    @property
    def digits(self) -> float:
        """Decimal digits, 0 to 17."""
        ...

    @property
    def reason(self) -> str:
        """In the words of the person who accepted it."""
        ...


def history_figure(moments: Sequence[Moment], name: str) -> Markup | None:
    """The bars, the newest on the right; None without any."""
    shown = moments[-MOST:]
    if not shown:
        return None
    bars = Markup("").join(
        Markup('<rect x="{}" y="{:.1f}" width="{}" height="{:.1f}" fill="{}"><title>{}</title></rect>').format(
            i * _BAR, _HEIGHT - _tall(m.digits), _BAR - 2, _tall(m.digits), css(m.digits / _FULL),
            f"{m.day}: {m.digits:.1f} digits. {m.reason}",
        )
        for i, m in enumerate(shown)
    )  # fmt: skip
    return Markup(
        '<svg class="history" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">{3}</svg>'
    ).format(len(shown) * _BAR, _HEIGHT, f"Digits of agreement of {name} over its baselines", bars)


def _tall(digits: float) -> float:
    return max(2.0, _HEIGHT * min(max(digits, 0.0), _FULL) / _FULL)
