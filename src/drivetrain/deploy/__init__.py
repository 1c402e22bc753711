"""A plan as something that starts: launch lines, Kubernetes manifests, a folder that holds them; and the way back.

Knows the catalogue and the plain fields of a plan's ``best``; computes nothing about performance.
"""
