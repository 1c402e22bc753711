"""Measured data: read it, predict the same rows, score.

A row is predicted or listed with the reason, never dropped.
"""
