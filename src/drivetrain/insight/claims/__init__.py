"""The claims of the two essays as executable checks.

``check`` is what a check is; ``checks/`` holds one module per subject; ``text`` reads the claims in our words
(``claims.toml``);
``ledger`` runs them.
"""
