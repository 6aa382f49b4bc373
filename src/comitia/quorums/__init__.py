"""Quorum systems: which sets of members speak for all of them."""

from comitia.quorums.majority import Majority
from comitia.quorums.system import QuorumSystem

__all__ = ["Majority", "QuorumSystem"]
