"""Atomic commitment between real processes, with a coordinator that is killed (-9)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import ROOT, free_ports, wait


class Banks:
    """Three processes of examples/transfer.py; they vote once `approval` exists."""

    def __init__(self, directory: Path, two_phase: bool) -> None:
        self.directory, self.two_phase = directory, two_phase
        self.approval = directory / "approved"
        self.members = ",".join(f"127.0.0.1:{port}" for port in free_ports(3))
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        for id in (1, 2, 3):
            self.start(id)
        for id in (1, 2, 3):
            self.told(id, "ready")

    def start(self, id: int) -> None:
        command = [sys.executable, str(ROOT / "examples" / "transfer.py"), str(id)]
        command += ["--members", self.members, "--data", str(self.directory)]
        command += ["--approval", str(self.approval)]
        command += ["--two-phase"] * self.two_phase
        with self.output(id).open("ab") as output:
            self.processes[id] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            )

    def output(self, id: int) -> Path:
        return self.directory / f"output{id}"

    def told(self, id: int, text: str) -> None:
        wait(lambda: text in self.output(id).read_text(), f"{text!r} of bank {id}")

    def transfer(self, at: int, line: bytes) -> None:
        stdin = self.processes[at].stdin
        assert stdin is not None
        stdin.write(line + b"\n")
        stdin.flush()

    def kill(self, id: int) -> None:
        self.processes[id].kill()
        self.processes[id].wait()

    def accounts(self, id: int) -> tuple[int, list[int]]:
        """The balance of a bank, and the amounts it holds."""
        state = json.loads((self.directory / f"bank{id}" / "accounts.json").read_text())
        return state["balance"], list(state["held"].values())

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def banks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Banks]:
    found = Banks(tmp_path, two_phase=request.param == "two-phase commit")
    try:
        yield found
    finally:
        found.stop()
        print(*(found.output(id).read_text()[-3_000:] for id in (1, 2, 3)), sep="\n---\n")


def each(*protocols: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("banks", protocols, indirect=True)


def killed_after_the_votes(banks: Banks) -> None:
    """Bank 1 begins a transfer between the others and is dead when both have promised."""
    banks.transfer(1, b"2 3 30")
    for id in (2, 3):
        banks.told(id, "asked 1.1")
    banks.kill(1)
    banks.approval.touch()


@pytest.mark.slow
@each("Paxos Commit", "two-phase commit")
def test_a_transfer_is_made_by_all_or_by_none(banks: Banks) -> None:
    banks.approval.touch()
    banks.transfer(1, b"1 2 30")
    banks.told(1, "transferred")
    banks.transfer(3, b"1 3 80")  # bank 1 has 70 left
    banks.told(3, "not transferred")
    wait(lambda: banks.accounts(1) == (70, []), "what bank 1 holds to be released")
    wait(lambda: banks.accounts(2) == (130, []), "bank 2 to be paid")
    assert banks.accounts(3) == (100, [])


@pytest.mark.slow
@each("Paxos Commit")
def test_with_paxos_commit_the_others_commit_although_the_coordinator_is_dead(
    banks: Banks,
) -> None:
    killed_after_the_votes(banks)
    wait(lambda: banks.accounts(2) == (70, []), "bank 2 to pay")
    wait(lambda: banks.accounts(3) == (130, []), "bank 3 to be paid")
    banks.start(1)  # it asks what became of its transaction and has no part in it
    banks.transfer(1, b"1 2 5")
    wait(lambda: banks.accounts(1) == (95, []), "bank 1 to pay")
    for id in (2, 3):
        banks.kill(id)
        banks.start(id)
    wait(lambda: banks.accounts(2) == (75, []), "bank 2 to know")


@pytest.mark.slow
@each("two-phase commit")
def test_with_two_phase_commit_the_others_wait_until_the_coordinator_is_back(
    banks: Banks,
) -> None:
    killed_after_the_votes(banks)
    wait(lambda: banks.accounts(2)[1] == [-30] and banks.accounts(3)[1] == [30], "the votes")
    time.sleep(3)  # three times as long as anybody is patient
    assert (banks.accounts(2), banks.accounts(3)) == ((100, [-30]), (100, [30]))
    banks.start(1)  # it finds in its log that it had decided nothing, which is abort
    wait(lambda: banks.accounts(2) == (100, []), "bank 2 to be released")
    wait(lambda: banks.accounts(3) == (100, []), "bank 3 to be released")
