"""What is replicated: pure, deterministic state machines."""
