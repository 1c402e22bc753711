"""One Hypothesis profile for every test: deterministic, no deadlines (the first call compiles), no database."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "drivetrain",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("drivetrain")
