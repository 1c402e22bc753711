"""``python -m drivetrain``."""

from drivetrain.cli.main import main

main()
