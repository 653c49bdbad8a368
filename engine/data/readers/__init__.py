"""One file per data set, each with its ``READER``; :mod:`engine.datasets` names them."""
