"""The contract of a protocol: read `node.py` first, then `request.py` and `replica.py`."""

from comitia.kernel.ballot import ZERO, Ballot
from comitia.kernel.codec import Codec, DecodeError
from comitia.kernel.log import Log
from comitia.kernel.message import Message, Record, replace
from comitia.kernel.model import Fate, Model, Network, Symmetry
from comitia.kernel.node import Micros, Node, NodeId, Out, Slot, Timer
from comitia.kernel.promise import Broken, Promise
from comitia.kernel.protocol import Protocol
from comitia.kernel.replica import (
    MAX_READS,
    DeliveriesAgree,
    ReadsAreCurrent,
    Replica,
    fired,
    received,
)
from comitia.kernel.request import Compact, Propose, Read, Reconfigure, Request, Transfer
from comitia.kernel.table import Table
from comitia.kernel.view import View

__all__ = [
    "MAX_READS",
    "ZERO",
    "Ballot",
    "Broken",
    "Codec",
    "Compact",
    "DecodeError",
    "DeliveriesAgree",
    "Fate",
    "Log",
    "Message",
    "Micros",
    "Model",
    "Network",
    "Node",
    "NodeId",
    "Out",
    "Promise",
    "Propose",
    "Protocol",
    "Read",
    "ReadsAreCurrent",
    "Reconfigure",
    "Record",
    "Replica",
    "Request",
    "Slot",
    "Symmetry",
    "Table",
    "Timer",
    "Transfer",
    "View",
    "fired",
    "received",
    "replace",
]
