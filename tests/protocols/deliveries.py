"""What the promise that everybody delivers the same must let pass and what not, in every log."""

from __future__ import annotations

import pytest

from comitia.kernel import Broken, Promise


def same_in_order(promise: Promise) -> None:
    """Check that `promise` wants the same values in the same places, and no place skipped."""
    for node in (1, 2):
        promise.on_deliver(node, 1, b"x")
    with pytest.raises(Broken, match="n3 delivered b'y' at 1, another b'x'"):
        promise.on_deliver(3, 1, b"y")
    with pytest.raises(Broken, match="n1 delivered 3 after 1"):
        promise.on_deliver(1, 3, b"z")
