"""Log-log line plots as SVG text: axes, ticks, curves, bands. Numbers come from reports, words are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite, log10
from typing import Final

from markupsafe import Markup, escape

WIDTH: Final = 520
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 14, 44


@dataclass(slots=True)
class Plot:
    """A log-log plot over x in [x_low, x_high] and y in [y_low, y_high], all positive; `title` is read out to who cannot see it."""

    title: str
    x_label: str
    y_label: str
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    _parts: list[Markup] = field(default_factory=list[Markup])
    _x: tuple[int, int] = field(init=False)
    _y: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._x = (floor(log10(self.x_low)), ceil(log10(self.x_high)))
        self._y = (floor(log10(self.y_low)), ceil(log10(self.y_high)))
        if self._x[0] == self._x[1]:
            self._x = (self._x[0], self._x[1] + 1)
        if self._y[0] == self._y[1]:
            self._y = (self._y[0], self._y[1] + 1)

    def x(self, value: float) -> float:
        """The place of a value on the horizontal axis."""
        return _between(value, self._x, _LEFT, WIDTH - _RIGHT)

    def y(self, value: float) -> float:
        """The place of a value on the vertical axis."""
        return _between(value, self._y, HEIGHT - _BOTTOM, _TOP)

    def curve(self, xs: Sequence[float], ys: Sequence[float], kind: str, label: str) -> None:
        """A line with a dot at each point; points that are not positive numbers break it."""
        for run in _runs(xs, ys):
            points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in run)
            self._parts.append(
                Markup('<polyline class="curve {}" points="{}"/>').format(kind, points)
            )
            self._parts += [
                Markup(
                    '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2.6"><title>{}: {:.3g} at {:.3g}</title></circle>'
                ).format(kind, self.x(x), self.y(y), label, y, x)
                for x, y in run
            ]

    def guide(self, x: float, y: float, exponent: int, label: str) -> None:
        """A dashed line through (x, y) that falls as this power of x."""
        end = self.x_low
        y_end = y * (end / x) ** exponent
        floor_y = 10.0 ** self._y[0]
        if y_end < floor_y:
            y_end, end = floor_y, x * (floor_y / y) ** (1 / exponent)
        self._parts.append(
            Markup('<line class="guide" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
                self.x(x), self.y(y), self.x(end), self.y(y_end)
            )
        )
        self._parts.append(
            Markup('<text class="note" x="{:.1f}" y="{:.1f}">{}</text>').format(
                self.x(end) + 4, min(self.y(y_end) - 4, HEIGHT - _BOTTOM - 4), label
            )
        )

    def band(self, low: float, high: float, label: str) -> None:
        """A shaded stretch of the horizontal axis, its name at the top."""
        left, right = self.x(low), self.x(high)
        self._parts.append(
            Markup(
                '<rect class="band" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>'
            ).format(left, _TOP, max(2.0, right - left), HEIGHT - _BOTTOM - _TOP, label)
        )

    def mark(self, x: float, label: str) -> None:
        """A vertical line with a name."""
        self._parts.append(
            Markup(
                '<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
                '<text class="note" x="{3:.1f}" y="{4}">{5}</text>'
            ).format(self.x(x), _TOP, HEIGHT - _BOTTOM, self.x(x) + 4, _TOP + 11, label)
        )

    def level(self, y: float, label: str) -> None:
        """A horizontal line with a name."""
        self._parts.append(
            Markup(
                '<line class="level" x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}"/>'
                '<text class="note end" x="{3}" y="{4:.1f}">{5}</text>'
            ).format(_LEFT, WIDTH - _RIGHT, self.y(y), WIDTH - _RIGHT - 4, self.y(y) - 4, label)
        )

    def svg(self) -> Markup:
        """The whole figure."""
        body = Markup("").join([*self._axes(), *self._parts])
        return Markup(
            '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
        ).format(WIDTH, HEIGHT, self.title, body)

    def _axes(self) -> Iterable[Markup]:
        bottom = HEIGHT - _BOTTOM
        yield Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(
            _LEFT, _TOP, WIDTH - _LEFT - _RIGHT, bottom - _TOP
        )
        for power in _ticks(*self._x):
            at = _placed(power, self._x, _LEFT, WIDTH - _RIGHT)
            yield Markup(
                '<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"/>'
                '<text class="tick" x="{0:.1f}" y="{3}">{4}</text>'
            ).format(at, _TOP, bottom, bottom + 15, _power(power))
        for power in _ticks(*self._y):
            at = _placed(power, self._y, HEIGHT - _BOTTOM, _TOP)
            yield Markup(
                '<line class="grid" y1="{0:.1f}" y2="{0:.1f}" x1="{1}" x2="{2}"/>'
                '<text class="tick end" x="{3}" y="{4:.1f}">{5}</text>'
            ).format(at, _LEFT, WIDTH - _RIGHT, _LEFT - 6, at + 4, _power(power))
        yield Markup('<text class="axis" x="{}" y="{}">{}</text>').format(
            (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, self.x_label
        )
        yield Markup(
            '<text class="axis" transform="translate(14 {}) rotate(-90)">{}</text>'
        ).format((_TOP + bottom) / 2, self.y_label)


def positive(values: Iterable[float]) -> list[float]:
    """The values that a logarithm can show."""
    return [v for v in values if isfinite(v) and v > 0]


def _between(value: float, powers: tuple[int, int], start: float, end: float) -> float:
    return _placed(log10(value) if value > 0 else powers[0], powers, start, end)


def _placed(at: float, powers: tuple[int, int], start: float, end: float) -> float:
    """The place of a power of ten, which itself may be larger than any float."""
    low, high = powers
    return start + (end - start) * (min(max(at, low), high) - low) / (high - low)


def _ticks(low: int, high: int) -> range:
    return range(low, high + 1, max(1, -(-(high - low) // 7)))


def _power(power: int) -> Markup:
    return Markup("10<tspan class='sup' dy='-4'>{}</tspan>").format(escape(power))


def _runs(xs: Sequence[float], ys: Sequence[float]) -> Iterable[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for x, y in zip(xs, ys, strict=True):
        if x > 0 and y > 0 and isfinite(x) and isfinite(y):
            run.append((x, y))
        elif run:
            yield run
            run = []
    if run:
        yield run
