"""How hard the laws are tried: ``HYPOTHESIS_PROFILE`` picks one of these profiles."""

import os

from hypothesis import HealthCheck, settings

# Generated programs are large, and the machine may be busy: neither is a fault of a law.
_CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

settings.register_profile("quick", _CALM, max_examples=60)
settings.register_profile("long", _CALM, max_examples=4096)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
