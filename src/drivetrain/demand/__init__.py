"""Years: task value, price response, adoption, efficiency, fleets by vintage, limits of supply."""
