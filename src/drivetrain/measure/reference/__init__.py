"""Measured reference points in the columns of the ``validate`` verbs, each with its source."""
