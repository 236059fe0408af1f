"""Measurements, run by `make bench`; never part of a test run, for a timed test fails on somebody else's busy machine."""
