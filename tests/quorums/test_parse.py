from __future__ import annotations

import pytest

from comitia.quorums import ExpressionError, Member, choose, members_of, parse
from comitia.quorums.expression import gate
from comitia.quorums.named import grid, majority, tree, wall
from comitia.quorums.parse import names_in, number

A, B, C, D, E, F = members_of(range(1, 7))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a", A),
        ("a + b*c", A + B * C),
        ("(a + b)*c", (A + B) * C),
        ("a*b + c*d", A * B + C * D),
        ("choose(2, a, b, c)", choose(2, (A, B, C))),
        ("choose(2,(a,b,c)) + d", choose(2, (A, B, C)) + D),
        ("choose(2, a*b, (c + d)*e, f)", choose(2, (A * B, (C + D) * E, F))),
        ("majority(a, b, c)", majority((A, B, C))),
        ("majority(majority(a, b, c), d, e)", majority((majority((A, B, C)), D, E))),
        ("weighted(3, a=2, b=1, c*d=1)", gate(3, (A, B, C * D), (2, 1, 1))),
        ("grid((a, b, c), (d, e, f))", grid(((A, B, C), (D, E, F)))),
        ("wall(a, (b, c))", wall(((A,), (B, C)))),
        ("wall((a,), (b, c))", wall(((A,), (B, C)))),
        ("tree(a, b, c)", tree((A, B, C))),
    ],
)
def test_text_means_what_it_says(text: str, meaning: object) -> None:
    assert parse(text) == meaning


@pytest.mark.parametrize(
    ("text", "why", "at"),
    [
        ("", "a member is missing", 0),
        ("a +", "a member is missing", 3),
        ("a b", "expected '+' or '*' before 'b'", 2),
        ("a & b", "'&' has no meaning", 2),
        ("(a + b", "expected ')'", 6),
        ("a)", "expected '+' or '*' before ')'", 1),
        ("(a, b)*c", "a group", 0),
        ("choose(a, b)", "expected a number", 7),
        ("choose(4, a, b)", "cannot choose 4 of 2", 0),
        ("choose(2, (a, b), c)", "one group", 19),
        ("a + quorum(b)", "no function 'quorum'", 4),
        ("weighted(9, a=1, b=1)", "cannot have 9 of 2 votes", 0),
        ("weighted(1, a=1, a=2)", "already has its votes", 17),
        ("weighted(1, a)", "expected '='", 13),
        ("grid((a, b), (c))", "rows of one length", 0),
        ("fano(a, b)", "7 points", 0),
        ("tree(a, b)", "1 of 2 children", 0),
        ("a + 2", "names start with a letter", 4),
        ("(" * 60 + "a" + ")" * 60, "nested more than 50 deep", 50),
    ],
)
def test_an_error_says_what_is_wrong_and_where(text: str, why: str, at: int) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert why in refused.value.why
    assert refused.value.at == at
    assert str(refused.value).endswith(f"\n  {text}\n  {' ' * at}^")


def test_a_member_that_has_no_number_is_refused() -> None:
    with pytest.raises(ExpressionError, match="'c' is not among the members"):
        parse("a + c", {"a": 1, "b": 2})


def test_members_are_numbered_in_natural_order() -> None:
    assert number(["zoe", "adam", "s10", "s9"]) == {"adam": 1, "s9": 2, "s10": 3, "zoe": 4}


def test_n_names_keep_their_numbers() -> None:
    assert number(["n2", "n10"]) == {"n2": 2, "n10": 10}
    assert parse("n2") == Member(2)


def test_functions_are_no_members() -> None:
    assert names_in("choose(2, a, b, c) + d", "majority(a, e, f)") == tuple("abcdef")
