"""What the models say of a claim, and how sure that is."""
