"""Training: what one optimiser step of a model costs on a cluster, which layout is best, what failures take.

``counts`` of :mod:`drivetrain.arch.training` say what a token needs; ``cases`` lay many (job, cluster, layout) side by
side as arrays; ``memory``, ``compute``, ``exchange`` and ``timing`` evaluate them at once; ``search`` tries every valid
layout; ``predict`` explains one; ``goodput`` adds failures and checkpoints.
"""
