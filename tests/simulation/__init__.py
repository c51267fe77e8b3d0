"""Deterministic simulation: whole histories of tills, web processes, workers, a database and a host, from one seed.

Time is virtual, every delay and fault is drawn from the seed, and the same seed gives the same history, so a failure
is found once and looked at as often as it takes: ``python -m tests.simulation --seed 4711`` prints it line by line.
"""
