"""Hypothesis for this member: no deadlines, because the machine is shared and a slow moment is not a fault."""

from hypothesis import HealthCheck, settings

settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")
