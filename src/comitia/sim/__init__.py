"""One seed, one run: the classes that the network runs, under virtual time and every fault.

`simulate` runs one seed of a protocol; read `world.py` (what may happen to a cluster), then
`simulation.py` (when it happens, decided by the seed), then `chaos.py` (the faults).
"""
