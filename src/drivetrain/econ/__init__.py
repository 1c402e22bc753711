"""Money and energy: what an accelerator costs an hour, what a token costs, what it draws at the wall."""
