"""Expression strings as programs: `x**3 + 2*x` with Python's grammar, read by a parser of our own.

Nothing is evaluated and Python's own parser is not asked, so no text can run code or exhaust the
stack: the parser keeps its own stack, and length and depth are limited. Inputs are the free names
in the order in which they first appear; their types are left open for the point to bind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gradproof_proto.v1 import check_pb2

from gradproof import _expression_functions as words
from gradproof._expression_meaning import TERNARY, ExpressionMeaning, Frame
from gradproof._expression_writer import KEYWORDS, WORDS, Item, Token
from gradproof._program import Program

MAX_DEPTH: Final = 1_000
MAX_RANK: Final = 32


def expression(text: str, *, inputs: Sequence[str] = ()) -> Program:
    """The program of an expression such as `sum(sin(x)**2) / n`; a top-level tuple gives several outputs.

    `inputs` names the inputs and their order; by default they are the free names as they appear.
    Raises `TargetError` with the column of the first thing that cannot be read.
    """
    return _Parser(text, inputs).run()


class _Parser(ExpressionMeaning):
    """The tokens read one by one; the frames are the open brackets, innermost last."""

    def __init__(self, text: str, inputs: Sequence[str]) -> None:
        super().__init__(text, inputs)
        self.frames = [Frame("top", None)]
        self.at = 0

    def run(self) -> Program:
        """Read every token; the frames are the parser's stack."""
        operand = True
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            operand = self.read_operand(token) if operand else self.read_operator(token)
        frame = self.frames[-1]
        if frame.kind != "top":
            assert frame.token is not None
            self.fail(frame.token.start, f"{frame.token.text!r} is never closed")
        if operand and not (frame.comma and frame.items):
            self.fail(len(self.text), "the expression ends where a value was expected")
        if not operand:
            self.end_item(frame)
        outputs = [self.output(item) for _, item in frame.items]
        for i, number in enumerate(outputs):
            self.function.output(number, "out" if len(outputs) == 1 else f"out{i}")
        origin = check_pb2.Origin(carriage=check_pb2.CARRIAGE_EXPRESSION, name=_short(self.text))
        return Program(self.writer.finish(self.function), origin)

    # What may stand where a value begins

    def read_operand(self, token: Token) -> bool:
        """A value or what comes in front of one; whether a value is still expected."""
        frame = self.frames[-1]
        text = token.text
        if token.kind == "number":
            return self.push(Item("number", self.number(token), token.start, token.end))
        if token.kind == "string":
            return self.push(Item("word", text[1:-1], token.start, token.end))
        if text in words.UNARY:
            frame.signs.append((f"unary {text}", words.UNARY[text][0], token))
            return True
        if token.kind == "name":
            return self.name(token)
        if text in ("(", "["):
            return self.open("group" if text == "(" else "list", token, None)
        if text == "..." and frame.kind == "index":
            return self.push(Item("word", Ellipsis, token.start, token.end))
        if text == ":" and frame.kind == "index":
            return self.colon(frame, empty=True)
        if text in (")", "]") and not frame.values and not frame.signs and self.closes(frame, text):
            if frame.slice_parts is not None:
                self.end_item(frame)
            elif not frame.items and frame.kind in ("group", "index"):
                self.fail(token.start, "a value was expected, nothing stands between the brackets")
            return self.close(frame, token)
        if text == "," and frame.slice_parts is not None and not frame.values:
            return self.comma(frame)
        return self.fail(token.start, f"a value was expected, {text!r} came")

    def name(self, token: Token) -> bool:
        """A constant, an input, a keyword argument, or a function that is called."""
        text = token.text
        if text in KEYWORDS:
            self.fail(
                token.start, f"{text!r} is no part of an expression; write a function in a file"
            )
        if text in ("True", "False", "None"):
            plain = {"True": True, "False": False, "None": None}[text]
            return self.push(
                Item("word" if plain is None else "number", plain, token.start, token.end)
            )
        if text in WORDS:
            self.fail(token.start, f"a value was expected, {text!r} came")
        frame = self.frames[-1]
        after = self.peek()
        if after == "=" and frame.kind == "call" and not frame.values and not frame.signs:
            self.at += 1
            frame.keyword = text
            return True
        if text in words.MODULES and after == "." and text not in self.inputs:
            while self.peek() == "." and self.peek(1).isidentifier():
                token = Token("name", self.peek(1), token.start, self.tokens[self.at + 1].end)
                self.at += 2
            text, after = token.text, self.peek()
        if after == "(" and text not in self.inputs:
            return self.open_call(token)
        if text in self.inputs:
            return self.push(Item("value", self.inputs[text], token.start, token.end))
        if text in words.CONSTANTS:
            return self.push(Item("number", words.CONSTANTS[text], token.start, token.end))
        if text == "newaxis":
            return self.push(Item("word", None, token.start, token.end))
        near = words.nearest(text, [*self.inputs, *words.CONSTANTS])
        return self.fail(
            token.start, f"{text!r} is no input" + (f"; did you mean {near!r}?" if near else "")
        )

    def open_call(self, token: Token, receiver: Item | None = None) -> bool:
        """The opening bracket of a call; a receiver is the first argument."""
        if token.text not in words.FUNCTIONS:
            near = words.nearest(token.text, list(words.FUNCTIONS))
            hint = f"did you mean {near!r}?" if near else "`gradproof ops` lists what there is"
            self.fail(token.start, f"no function is called {token.text!r}; {hint}")
        bracket = self.tokens[self.at]
        self.at += 1
        self.open("call", bracket, token)
        if receiver is not None:
            self.frames[-1].items.append(("", receiver))
        return True

    def open(self, kind: str, token: Token, head: Any) -> bool:
        """Begin a frame."""
        if len(self.frames) > MAX_DEPTH:
            self.fail(
                token.start,
                f"brackets stand more than {MAX_DEPTH} deep; name a part, or write a function",
            )
        self.frames.append(Frame(kind, token, head))
        return True

    def push(self, item: Item) -> bool:
        """A value was read."""
        self.frames[-1].values.append(item)
        return False

    # What may stand behind a value

    def read_operator(self, token: Token) -> bool:
        """An operator, a bracket or a comma; whether a value is expected next."""
        frame = self.frames[-1]
        text = token.text
        if text in words.BINARY:
            level = words.BINARY[text][0]
            self.reduce(frame, level + (text == "**"))
            frame.signs.append((text, level, token))
            return True
        if text == "(":
            self.fail(token.start, "only a function's name can be called; write * for a product")
        if text == "[":
            return self.open("index", token, frame.values.pop())
        if text == ".":
            return self.attribute(frame, token)
        if text in (")", "]") and self.closes(frame, text):
            self.end_item(frame)
            return self.close(frame, token)
        if text == ",":
            self.end_item(frame)
            return self.comma(frame)
        if text == ":" and frame.kind == "index":
            return self.colon(frame, empty=False)
        if text == "if":
            self.reduce(frame, TERNARY + 1)
            frame.signs.append(("if", TERNARY, token))
            return True
        if text == "else":
            self.reduce(frame, TERNARY + 1)
            while frame.signs and frame.signs[-1][0] == "ifelse":
                self.apply(frame)
            if not frame.signs or frame.signs[-1][0] != "if":
                self.fail(token.start, "'else' has no 'if' before it")
            frame.signs[-1] = ("ifelse", TERNARY, token)
            return True
        if token.kind in ("number", "name", "string"):
            self.fail(
                token.start, f"an operator was expected, {text!r} came; write * for a product"
            )
        return self.fail(token.start, f"an operator was expected, {text!r} came")

    def attribute(self, frame: Frame, token: Token) -> bool:
        """`.T`, or a function written as a method."""
        if self.at >= len(self.tokens) or self.tokens[self.at].kind != "name":
            self.fail(token.start, "a name was expected after '.'")
        name = self.tokens[self.at]
        self.at += 1
        receiver = frame.values.pop()
        if self.peek() == "(":
            return self.open_call(name, receiver)
        if name.text in ("T", "mT"):
            self.span = (receiver.start, name.end)
            return self.push(
                Item(
                    "value",
                    self.emit("matrix_transpose", self.plain(receiver)),
                    receiver.start,
                    name.end,
                )
            )
        return self.fail(
            name.start, f"no value has {name.text!r}; there are .T and functions written as methods"
        )

    def colon(self, frame: Frame, *, empty: bool) -> bool:
        """One part of a slice ends."""
        if not empty:
            self.reduce(frame, TERNARY)
        parts = frame.slice_parts = [] if frame.slice_parts is None else frame.slice_parts
        parts.append(None if empty else frame.values.pop())
        if len(parts) > 2:
            self.fail(self.tokens[self.at - 1].start, "a slice has at most three parts")
        return True

    def comma(self, frame: Frame) -> bool:
        """One item ends and another may begin."""
        if frame.slice_parts is not None:
            self.end_item(frame)
        frame.comma = True
        return True

    def closes(self, frame: Frame, text: str) -> bool:
        """Whether this bracket closes the frame; raises when it closes none."""
        wanted = {"group": ")", "call": ")", "list": "]", "index": "]"}.get(frame.kind)
        if wanted != text:
            self.fail(self.tokens[self.at - 1].start, f"{text!r} closes nothing")
        return True

    def end_item(self, frame: Frame) -> None:
        """Everything up to here is one item of the frame."""
        if frame.values:
            self.reduce(frame, TERNARY)
        if frame.slice_parts is not None:
            parts = [*frame.slice_parts, frame.values.pop() if frame.values else None]
            item = Item("slice", tuple(None if p is None else self.whole(p) for p in parts), 0, 0)
            frame.slice_parts = None
        elif frame.values:
            item = frame.values.pop()
        else:
            return
        frame.items.append((frame.keyword, item))
        frame.keyword = ""

    def close(self, frame: Frame, token: Token) -> bool:
        """A bracket closes: its frame becomes one value of the frame around it."""
        self.frames.pop()
        assert frame.token is not None
        start = frame.token.start
        if frame.kind == "call":
            return self.push(self.call(frame, token))
        if frame.kind == "index":
            return self.push(self.index(frame, token))
        items = [item for _, item in frame.items]
        if frame.kind == "list" or len(items) > 1 or frame.comma:
            depth = 1 + max((item.last for item in items if item.kind == "list"), default=0)
            if depth > MAX_RANK:
                self.fail(
                    start, f"lists stand more than {MAX_RANK} deep; no array has so many axes"
                )
            return self.push(Item("list", items, start, token.end, depth))
        return self.push(Item(items[0].kind, items[0].content, start, token.end))

    def peek(self, ahead: int = 0) -> str:
        """The text of a token to come; empty at the end."""
        at = self.at + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."
