"""Fixtures, and the bounds of time that end-to-end tests have."""

from attack import *  # noqa: F401,F403
