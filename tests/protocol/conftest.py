"""hypothesis on a machine that is shared: no deadlines, and slow generation is no failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("hubbub", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hubbub")
