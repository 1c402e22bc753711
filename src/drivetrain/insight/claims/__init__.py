"""The claims of the two essays as executable checks.

``check`` is what a check is and ``inputs`` where its numbers come from; ``checks/`` holds one module per subject;
``text`` reads the claims in our words (``claims.toml``); ``ledger`` runs them.
"""
