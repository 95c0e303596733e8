"""What the operators, calls and subscripts of an expression mean: values of a frame become one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from gradproof import _expression_functions as words
from gradproof._expression_writer import ExpressionWriter, Item, Token
from gradproof._index_spec import encode

TERNARY: Final = 0
"""How tightly `if` and `else` bind: less than every operator."""


@dataclass(slots=True)
class Frame:
    """One open bracket: what it belongs to, and the operands and operators inside it."""

    kind: str
    token: Token | None
    head: Any = None
    values: list[Item] = field(default_factory=list[Item])
    signs: list[tuple[str, int, Token]] = field(default_factory=list[tuple[str, int, Token]])
    items: list[tuple[str, Item]] = field(default_factory=list[tuple[str, Item]])
    slice_parts: list[Item | None] | None = None
    keyword: str = ""
    comma: bool = False


class ExpressionMeaning(ExpressionWriter):
    """Applies what was read; the words and brackets themselves are the parser's."""

    def reduce(self, frame: Frame, level: int) -> None:
        """Apply the operators that bind at least this tightly."""
        while frame.signs and frame.signs[-1][1] >= level and frame.signs[-1][0] != "if":
            self.apply(frame)
        if level == TERNARY and frame.signs:
            self.fail(frame.signs[-1][2].start, "'if' needs an 'else' with the other value")

    def apply(self, frame: Frame) -> None:
        """Apply the last operator to the last values."""
        try:
            self.apply_sign(frame, *frame.signs.pop())
        except words.Misuse as error:
            self.fail(self.span[0], str(error))

    def apply_sign(self, frame: Frame, sign: str, level: int, token: Token) -> None:
        """Apply one operator to the last values."""
        b = frame.values.pop()
        if sign.startswith("unary "):
            if (
                sign in ("unary -", "unary +")
                and b.kind == "number"
                and type(b.content) in (int, float)
            ):
                frame.values.append(
                    Item(
                        "number", -b.content if sign == "unary -" else b.content, token.start, b.end
                    )
                )
                return
            self.span = (token.start, b.end)
            value = words.UNARY[sign[6:]][1](self.emit, self.plain(b))
            frame.values.append(Item("value", value, token.start, b.end))
            return
        a = frame.values.pop()
        if sign == "ifelse":
            condition, chosen = a, frame.values.pop()
            self.span = (chosen.start, b.end)
            value = self.emit("where", self.plain(condition), self.plain(chosen), self.plain(b))
            frame.values.append(Item("value", value, chosen.start, b.end))
            return
        self.span = (a.start, b.end)
        if sign in words.COMPARISONS and a.kind == "value" and a.last is not None:
            here = words.BINARY[sign][1](self.emit, self.plain(a.last), self.plain(b))
            value = self.emit("logical_and", a.content, here)
        else:
            value = words.BINARY[sign][1](self.emit, self.plain(a), self.plain(b))
        frame.values.append(
            Item("value", value, a.start, b.end, b if sign in words.COMPARISONS else None)
        )

    def call(self, frame: Frame, token: Token) -> Item:
        """A function applied to the frame's items."""
        head: Token = frame.head
        self.span = (head.start, token.end)
        operands = [self.plain(item) for keyword, item in frame.items if not keyword]
        options = {keyword: self.plain(item) for keyword, item in frame.items if keyword}
        try:
            value = words.FUNCTIONS[head.text](self.emit, *operands, **options)
        except (words.Misuse, TypeError, ValueError) as error:
            text = str(error).rpartition("()")[2].strip() or str(error)
            self.fail(head.start, f"{head.text}: {text}")
        return Item("value", value, head.start, token.end)

    def index(self, frame: Frame, token: Token) -> Item:
        """A subscript."""
        x: Item = frame.head
        self.span = (x.start, token.end)
        entries: list[tuple[str, Any]] = []
        arrays: list[Any] = []
        for _, item in frame.items:
            if item.kind == "slice":
                entries.append(("slice", slice(*item.content)))
            elif item.kind == "number" and type(item.content) is int:
                entries.append(("int", item.content))
            elif item.kind == "word":
                entries.append(("ellipsis" if item.content is Ellipsis else "new", None))
            else:
                entries.append(("array", None))
                arrays.append(self.plain(item))
        return Item(
            "value",
            self.emit("index_get", self.plain(x), *arrays, spec=encode(entries)),
            x.start,
            token.end,
        )
