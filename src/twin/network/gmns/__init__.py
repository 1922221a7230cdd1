"""Maps in the General Modeling Network Specification, versions 0.94 to 0.96.

What GMNS has no table for stands in tables of our own beside it (`twin_*.csv`), which other
programs leave alone; `docs/reference/network.md` lists them.
"""

from twin.network.gmns.demand import Trips, read_demand
from twin.network.gmns.folder import read_gmns, write_gmns

__all__ = ["Trips", "read_demand", "read_gmns", "write_gmns"]
