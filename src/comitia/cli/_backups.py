"""What `comitia backup` and `comitia restore` share: reading a backup back, and telling of it."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from comitia.net.backups import Backup


class Held(msgspec.Struct, kw_only=True):
    """What a backup holds, once all of it was read."""

    file: str
    cluster: str
    protocol: str
    version: str
    slot: int
    epoch: int
    voters: tuple[int, ...]
    taken: str
    """In UTC."""
    keys: int
    size: int
    """Bytes of state."""
    digest: str

    def lines(self) -> list[str]:
        """Return it in words."""
        voters = ", ".join(f"n{id}" for id in self.voters)
        return [
            f"{self.file}: {self.keys:,} keys, {self.size:,} bytes of state",
            f"  cluster {self.cluster} ({self.protocol}, voters {voters}), after slot {self.slot}",
            f"  taken {self.taken} by version {self.version}; every checksum and the digest fit",
            f"  digest {self.digest}",
        ]


def read_back(backup: Backup) -> Held:
    """Read all of `backup` into a machine; one that is not sealed yet is sealed now.

    Raises ClickException: it is damaged, or of a version that this one does not understand.
    """
    from datetime import UTC, datetime

    from comitia import protocols
    from comitia.kernel import DecodeError
    from comitia.net.backups import BackupError
    from comitia.serve.fronts import front_of
    from comitia.serve.service import Service

    header = backup.header
    try:
        _, front = front_of(protocols.load(header.protocol))
        service = front().application
        assert isinstance(service, Service), "a backup is of a log"
        service.restore(backup.chunks())
    except BackupError as error:
        raise click.ClickException(f"{error}; take another, or use an older one") from error
    except (DecodeError, LookupError) as error:
        raise click.ClickException(
            f"{backup.path}: sound, but made by version {header.version} and not understood by "
            f"this one: {error}"
        ) from error
    digest = service.digest()
    if not backup.sealed:
        backup.close_with(digest)
    assert backup.seal is not None
    if backup.seal.digest != digest:
        raise click.ClickException(
            f"{backup.path}: every checksum fits, but not the digest of the state: it was made by "
            f"version {header.version}, which understands it differently"
        )
    (keys,) = service.sessions.machine.read([(b"DBSIZE",)])
    assert isinstance(keys, int)
    taken = datetime.fromtimestamp(header.taken_ms / 1000, UTC)
    return Held(
        file=str(backup.path),
        cluster=header.cluster,
        protocol=header.protocol,
        version=header.version,
        slot=header.slot,
        epoch=header.epoch,
        voters=header.voters,
        taken=taken.isoformat(timespec="seconds"),
        keys=keys,
        size=backup.seal.size,
        digest=digest.hex(),
    )


def show(held: Held, output: str, **more: Any) -> None:
    """Print `held`, as text or with `more` as JSON."""
    if output == "json":
        click.echo(msgspec.json.encode(msgspec.to_builtins(held) | more))
    else:
        click.echo("\n".join(held.lines()))
