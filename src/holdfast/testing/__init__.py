"""Aids for authors' tests: a clock to move, principals, a workspace, and a pytest plugin."""

from holdfast.testing.clock import FakeClock
from holdfast.testing.fakes import Workspace, principal, settings_for

__all__ = ["FakeClock", "Workspace", "principal", "settings_for"]
