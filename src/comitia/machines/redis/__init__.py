"""A Redis database, replicated: strings, keys, deadlines, counters and transactions.

`keyspace.py` is what is stored, `command.py` how a command is declared; each of `strings.py`,
`counters.py`, `keys.py` and `expiry.py` is a table of declarations.  The reference for replies and
errors is redis-server 7.0.

**Left out**, so far: lists, hashes, sets, sorted sets, streams, bitmaps, scripts, publish and
subscribe, DUMP and RESTORE, LCS, databases other than 0.
"""

from comitia.machines.redis.commands import DATA
from comitia.machines.redis.machine import Redis

__all__ = ["DATA", "Redis"]
