"""The command line: parse, call one verb, print. No maths here."""
