"""Pages in a real Chromium: opened without a network, with whatever goes wrong inside them told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONTRAST = """
() => {
  const channel = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const light = (rgb) => {
    const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number);
    return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  };
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(c)) return c;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  const words = "h1, h2, h3, p, td, th, code, summary, .badge, figcaption, label, footer, .line";
  for (const e of document.querySelectorAll(words)) {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(e.className + " " + e.textContent.slice(0, 30));
  }
  return poor;
}
"""
"""Words whose contrast with their ground is below 4.5."""


def opened_in(browser: Any, file: Path, **context: Any) -> Iterator[Any]:
    """The page in a window of its own; an error in it, or a request for anything else, fails whoever asked."""
    window = browser.new_context(**context)
    page = window.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda m: troubles.append(m.text) if m.type == "error" else None)
    page.on(
        "request",
        lambda r: troubles.append(r.url) if not r.url.startswith(("file:", "data:")) else None,
    )
    page.goto(file.as_uri())
    yield page
    window.close()
    assert not troubles
