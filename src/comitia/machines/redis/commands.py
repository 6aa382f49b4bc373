"""Every command that works on keys, in one table: a new data type adds its table here."""

from __future__ import annotations

from collections.abc import Sequence

from comitia.machines.redis import counters, expiry, keys, strings
from comitia.machines.redis.arguments import Refusal
from comitia.machines.redis.command import Table
from comitia.machines.redis.keyspace import Keyspace
from comitia.machines.reply import Failure, Reply

DATA = Table(strings.commands, counters.commands, keys.commands, expiry.commands)
"""What may stand in a transaction."""


def run(db: Keyspace, args: Sequence[bytes]) -> Reply:
    """Return the reply to one command, whatever it is made of."""
    command = DATA.find(args)
    if isinstance(command, Failure):
        return command
    try:
        reply: Reply = command.function(db, args)
    except Refusal as refusal:
        return refusal.failure
    return reply
