"""How large a training run can be, and which architecture on which cluster gets furthest.

``draws`` turns spreads of the catalogue into joint draws; ``limits`` are the equations of five ceilings by year;
``largest`` says which binds with what probability; ``claim`` tests that growth stops; ``contest`` sets two pairs of
architecture and cluster against each other under the same money or power.
"""
