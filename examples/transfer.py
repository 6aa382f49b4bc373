"""Banks that move money between each other, all or nothing, each with its own accounts.

    python examples/transfer.py 1 & python examples/transfer.py 2 & python examples/transfer.py 3

Type `2 3 30` into any of them: bank 2 pays 30 to bank 3.  Money that is promised is held until the
outcome is known, whoever is killed meanwhile.  With `--two-phase` it stays held while the bank in
which the transfer was typed is down; otherwise any two of the three banks bring it to an end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from comitia.serve.transactions import Party


class Bank:
    """The owner of this process's parts: a balance and what is held, in a file."""

    def __init__(self, file: Path, approval: Path | None) -> None:
        self.file, self.approval = file, approval
        if file.exists():
            state = json.loads(file.read_text())
            self.balance, self.held = state["balance"], state["held"]
        else:
            self.balance, self.held = 100, {}
            self.save()

    def save(self) -> None:
        """Be durable before anybody is told."""
        making = self.file.with_suffix(".making")
        with making.open("w") as file:
            json.dump({"balance": self.balance, "held": self.held}, file)
            file.flush()
            os.fsync(file.fileno())
        making.rename(self.file)

    async def prepare(self, name: str, part: bytes) -> bool:
        """Can this much be paid, or taken in?"""
        tell(f"asked {name}: {part.decode()}")
        while self.approval is not None and not self.approval.exists():
            await asyncio.sleep(0.02)
        amount = int(part)
        left = self.balance + sum(held for held in self.held.values() if held < 0)
        if left + amount < 0:
            return False
        self.held[name] = amount
        self.save()
        return True

    async def commit(self, name: str) -> None:
        """The money moves; a second time there is nothing held that could."""
        self.balance += self.held.pop(name, 0)
        self.save()
        tell(f"committed {name}: balance {self.balance}")

    async def abort(self, name: str) -> None:
        """The money stays."""
        self.held.pop(name, None)
        self.save()
        tell(f"aborted {name}: balance {self.balance}")


def tell(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


async def main() -> None:
    """Take part in transfers until standard input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("node", type=int)
    parser.add_argument("--members", default="127.0.0.1:7301,127.0.0.1:7302,127.0.0.1:7303")
    parser.add_argument("--data", type=Path, default=Path("transfer-data"))
    parser.add_argument("--two-phase", action="store_true")
    parser.add_argument("--approval", type=Path, help="vote only once this file exists")
    options = parser.parse_args()
    directory = options.data / f"bank{options.node}"
    directory.mkdir(parents=True, exist_ok=True)
    members = dict(enumerate(options.members.split(","), 1))
    bank = Bank(directory / "accounts.json", options.approval)
    party = Party(options.node, members, directory / "log", bank, two_phase=options.two_phase)
    await party.start()
    tell("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            payer, payee, amount = map(int, line.split())
            done = await party.commit({payer: b"%d" % -amount, payee: b"%d" % amount})
        except ValueError as error:
            tell(f"want PAYER PAYEE AMOUNT: {error}")
        else:
            tell("transferred" if done else "not transferred")
    await party.close()


if __name__ == "__main__":
    asyncio.run(main())
