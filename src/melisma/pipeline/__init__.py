"""The walk from recording and lyrics to an alignment: the only place where stages meet."""
