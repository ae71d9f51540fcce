"""Repositories that are carried by hand: bundles (one tar file) and directories.

A bundle has the layout of a published repository, so that one way of reading serves both, and an
unpacked bundle can be served to other machines as it is:

    VARIANT/ARCH/N.root.json V.targets.json V.snapshot.json timestamp.json
    targets/HASH.NAME
"""
