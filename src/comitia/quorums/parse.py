"""From text to expressions: `a*b + c*d`, `choose(2, a, b, c)`, `grid((a, b), (c, d))`.

    sum     = product { "+" product }
    product = factor { "*" factor }
    factor  = name | "(" sum ")" | function "(" argument { "," argument } ")"

Functions: choose(k, ...), majority(...), weighted(need, a=2, b=1, ...), grid(rows),
hierarchical(groups), wall(rows), tree(...), fano(...).  A row or group is `(a, b, c)`; where terms
are expected one group of them is taken too, as in `choose(2, (a, b, c))`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, NoReturn, TypeAlias

from comitia.quorums import named
from comitia.quorums.expression import Expression, Member, all_of, any_of, choose

MAX_DEPTH: Final = 50
TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z_][\w.-]*)|(?P<number>\d+)|(?P<sign>[-+*(),=]))")
FUNCTIONS = ("choose", "fano", "grid", "hierarchical", "majority", "tree", "wall", "weighted")

Group: TypeAlias = tuple[Expression, ...]
Argument: TypeAlias = Expression | Group


class ExpressionError(ValueError):
    """The text is no expression; says where and why, with a caret under the place."""

    def __init__(self, why: str, text: str, at: int) -> None:
        super().__init__(f"{why}\n  {text}\n  {' ' * at}^")
        self.why = why
        self.at = at


class Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str, ids: Mapping[str, int] | None = None) -> Expression:
    """Return the expression `text` denotes; `ids` numbers its members, by default `number`."""
    tokens = _tokens(text)
    return _Parser(text, tokens, number(_names(tokens)) if ids is None else ids).whole()


def names_in(*texts: str) -> tuple[str, ...]:
    """Return the names of members in `texts`, each once."""
    return tuple({name: None for text in texts for name in _names(_tokens(text))})


def number(names: Iterable[str]) -> dict[str, int]:
    """Number members from 1 in natural order (n2 before n10); n1, n2, ... keep their numbers."""
    names = set(names)
    if all(re.fullmatch(r"n[1-9]\d*", name) for name in names):
        return {name: int(name[1:]) for name in sorted(names)}

    def natural(name: str) -> tuple[tuple[int, str], ...]:
        parts = re.findall(r"\d+|\D+", name)
        return tuple((int(part), part) if part.isdigit() else (0, part) for part in parts)

    return {name: at for at, name in enumerate(sorted(names, key=natural), start=1)}


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ExpressionError(f"{text[at]!r} has no meaning here", text, at)
        kind = found.lastgroup
        assert kind is not None
        tokens.append(Token(kind, found[kind], found.start(kind)))
        at = found.end()
    return [*tokens, Token("end", "", len(text))]


def _names(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(
        token.text
        for token, after in pairwise(tokens)
        if token.kind == "name" and after.text != "("
    )


class _Parser:
    """Recursive descent; `self.here` is the token not yet taken."""

    def __init__(self, text: str, tokens: Sequence[Token], ids: Mapping[str, int]) -> None:
        self.text = text
        self.tokens = tokens
        self.ids = ids
        self.at = 0
        self.depth = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def fail(self, why: str, token: Token | None = None) -> NoReturn:
        raise ExpressionError(why, self.text, (token or self.here).at)

    def take(self, sign: str) -> bool:
        if self.here.text != sign:
            return False
        self.at += 1
        return True

    def expect(self, sign: str, after: str) -> None:
        if not self.take(sign):
            found = repr(self.here.text) if self.here.text else "the end"
            self.fail(f"expected {sign!r} {after}, found {found}")

    def whole(self) -> Expression:
        result = self.sum()
        if self.here.kind != "end":
            self.fail(f"expected '+' or '*' before {self.here.text!r}")
        return result

    def sum(self) -> Expression:
        terms = [self.product()]
        while self.take("+"):
            terms.append(self.product())
        return any_of(terms)

    def product(self) -> Expression:
        terms = [self.factor()]
        while self.take("*"):
            terms.append(self.factor())
        return all_of(terms)

    def factor(self) -> Expression:
        token = self.here
        if token.kind == "name":
            self.at += 1
            if self.here.text == "(":
                return self.call(token)
            if token.text not in self.ids:
                self.fail(f"{token.text!r} is not among the members", token)
            return Member(self.ids[token.text])
        if token.text == "(":
            group = self.group()
            if isinstance(group, tuple):
                self.fail("a group in parentheses belongs inside a function such as grid", token)
            return group
        if token.kind == "number":
            self.fail("a number stands only where a function wants one; names start with a letter")
        return self.fail(
            f"expected a member, found {token.text!r}" if token.text else "a member is missing here"
        )

    def group(self) -> Argument:
        """`(sum)` is that sum; `(sum, sum, ...)` and `(sum,)` are groups."""
        opened = self.here
        self.expect("(", "here")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"parentheses are nested more than {MAX_DEPTH} deep", opened)
        terms = [self.sum()]
        grouped = False
        while self.take(","):
            grouped = True
            if self.here.text == ")":
                break
            terms.append(self.sum())
        self.expect(")", "to close the group")
        self.depth -= 1
        if not grouped:
            return terms[0]
        # `(a, b)*c` means nothing, and is refused where `factor` finds a group.
        return tuple(terms)

    def call(self, name: Token) -> Expression:
        if name.text not in FUNCTIONS:
            self.fail(f"no function {name.text!r}; there are {', '.join(FUNCTIONS)}", name)
        self.expect("(", f"after {name.text}")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"parentheses are nested more than {MAX_DEPTH} deep", name)
        result = self.guarded(name, lambda: self.body(name.text))
        self.expect(")", f"to close {name.text}")
        self.depth -= 1
        return result

    def guarded(self, name: Token, build: Callable[[], Expression]) -> Expression:
        """What a builder refuses is reported at the function's name."""
        try:
            return build()
        except ExpressionError:
            raise
        except ValueError as refused:
            raise ExpressionError(str(refused), self.text, name.at) from None

    def body(self, name: str) -> Expression:
        if name == "weighted":
            return named.weighted(self.count(), self.votes())
        if name == "choose":
            need = self.count()
            return choose(need, self.terms())
        if name in ("grid", "hierarchical", "wall"):
            build = {"grid": named.grid, "hierarchical": named.hierarchical, "wall": named.wall}
            return build[name](self.groups())
        plain = {"majority": named.majority, "tree": named.tree, "fano": named.fano}
        return plain[name](self.terms())

    def count(self) -> int:
        if self.here.kind != "number":
            self.fail("expected a number of terms first, as in choose(2, a, b, c)")
        count = int(self.here.text)
        self.at += 1
        self.expect(",", "after the number")
        return count

    def votes(self) -> dict[Expression, int]:
        votes: dict[Expression, int] = {}
        while True:
            token = self.here
            term = self.sum()
            if term in votes:
                self.fail("this term already has its votes", token)
            self.expect("=", "and a number of votes")
            if self.here.kind != "number":
                self.fail("expected a number of votes, as in a=2")
            votes[term] = int(self.here.text)
            self.at += 1
            if not self.take(","):
                return votes

    def arguments(self) -> list[Argument]:
        found: list[Argument] = []
        while True:
            # A group stands alone between commas; `(a + b)*c` is a sum that opens with one.
            start = self.at
            argument = self.group() if self.here.text == "(" else self.sum()
            if isinstance(argument, Expression) and self.here.text in ("+", "*"):
                self.at = start
                argument = self.sum()
            found.append(argument)
            if not self.take(","):
                return found

    def terms(self) -> Group:
        found = self.arguments()
        if len(found) == 1 and isinstance(found[0], tuple):
            return found[0]
        return tuple(
            argument if isinstance(argument, Expression) else self.fail("one group, or no group")
            for argument in found
        )

    def groups(self) -> list[Group]:
        found = self.arguments()
        return [(one,) if isinstance(one, Expression) else one for one in found]
