"""One module per subject; each registers its checks with ``drivetrain.insight.claims.check.register``."""
