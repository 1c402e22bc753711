"""Facts only: what vendors, papers, price lists and traces say, each value with its source and date.

``schema`` holds the records, ``loader`` reads them from TOML, ``check`` refuses what breaks the rules. Fitted
coefficients live in ``cost/calibration``; what a user chooses lives in a scenario.
"""
