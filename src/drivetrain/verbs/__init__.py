"""What Drivetrain can be asked: one function a verb, plain data in and out; the CLI and Python call the same ones."""
