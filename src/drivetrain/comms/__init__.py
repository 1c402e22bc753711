"""Collectives over a tiered topology: how long a group of accelerators takes to exchange bytes.

``topology`` says what a group sees (links, domain, NIC), ``collectives`` turns bytes into seconds,
``coefficients`` holds the few fitted numbers between the datasheet and the measurement. Knows no models.
"""
