"""The root ceremony: a draft of a root that travels from signer to signer, and what it changes."""
