"""Updates of many machines on the engine that already runs them."""
