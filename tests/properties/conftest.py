"""Chooses how hard the laws are tried, before they are read."""

from tests.properties.effort import load_profile

load_profile()
