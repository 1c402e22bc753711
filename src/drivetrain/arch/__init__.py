"""A model as operators with FLOPs, bytes and messages. Pure counting: knows no hardware, no seconds.

``layout`` spells how a replica is cut over accelerators, ``params`` counts parameters, ``precision`` sizes them,
``operators`` lists what one step does on one accelerator, ``memory`` what must be resident there.
"""
