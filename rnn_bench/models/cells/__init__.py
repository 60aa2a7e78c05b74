"""One file a cell: `model.cell=gru` is the module class that `gru.py` defines."""
