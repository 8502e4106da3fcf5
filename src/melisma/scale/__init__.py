"""Executors: the same function over many items, here on all cores, kept so that a run that broke off goes on."""
