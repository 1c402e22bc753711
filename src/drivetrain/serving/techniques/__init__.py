"""What each technique does to operators, memory, power and lengths: small pure transformations, off by default.

``active`` resolves the chosen techniques for a model and brings the transformations together; ``speculation`` and
``drafts`` are speculative decoding, ``sparsity`` 2:4 weights, ``experts`` imbalance, skew and redundant copies,
``adapters`` LoRA, ``power`` the power cap, ``overlap`` two-batch overlap. Method: docs/method/techniques.md.
"""
