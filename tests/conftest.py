"""One Hypothesis profile for every test: deterministic, no deadlines (the first call compiles), no database.

``pytest --hypothesis-profile=explore`` draws more examples at random and does not shrink.
"""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "drivetrain",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "explore",
    settings.get_profile("drivetrain"),
    derandomize=False,
    max_examples=1000,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("drivetrain")
