"""Mutants that the simulator hardly meets: the test of the rule that they break kills them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comitia.kernel import Broken, Node
from comitia.sim.mutants import Mutant

DIES = (AssertionError, Broken, LookupError, ValueError, pytest.fail.Exception)
"""What a broken protocol may end with; anything else is a mistake of the test."""


def dies_by(
    rule: Callable[[], None], node: type[Node], mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that the test of a rule passes on `node`, and fails once `mutant` has broken it."""
    rule()
    for name, broken in mutant.attributes.items():
        monkeypatch.setattr(node, name, broken)
    with pytest.raises(DIES):
        rule()
