"""How kernels of many small functions are compiled.

Numba counts references to arrays with atomic instructions wherever an array is taken out of a
tuple; in the vehicle kernel that was five sixths of the time. `_nrt=False` leaves the counting
out, and with it the right to allocate: these functions only work on arrays that they are given.
"""

from __future__ import annotations

from numba import njit

lean = njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]
lean_inline = njit(cache=True, nogil=True, forceinline=True, _nrt=False)  # type: ignore[call-overload]
