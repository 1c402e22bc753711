"""Operators on hardware: seconds, joules and the binding resource.

``efficiency`` reads the fitted coefficients from ``calibration/``, ``hardware`` reduces an accelerator to rates,
``roofline`` times operators one by one and explains them, ``compiled`` flattens them into arrays of floats for
``kernel``, which searches evaluate by the hundred thousand. A test holds the two equal.
"""
