"""Who gets in, from where, how often and with how much: in front of every route."""
