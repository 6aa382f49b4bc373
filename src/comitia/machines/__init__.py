"""What is replicated: pure, deterministic state machines.  Read `machine.py` first."""
