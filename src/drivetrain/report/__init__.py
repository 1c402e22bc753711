"""Showing results: tables, bars and lines for the terminal; JSON and CSV for programs."""
