"""The event log: one contract (`contract.py`), two engines (`kafka.py`, `embedded.py`)."""
