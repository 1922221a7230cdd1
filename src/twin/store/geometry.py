"""One column type for geometry on both engines.

PostGIS geometry in WGS84 on PostgreSQL, well-known binary on SQLite; shapely geometries in Python
on both. GeoAlchemy2's own type cannot be created on SQLite without SpatiaLite, and a failed try
takes the spatial index off the shared metadata: so the index is declared here, for PostgreSQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import shapely
from geoalchemy2 import Geometry as PostgisGeometry
from geoalchemy2.elements import WKBElement
from geoalchemy2.shape import from_shape, to_shape
from sqlalchemy import Dialect, Index, LargeBinary
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SRID: Final = 4326


class Geometry(TypeDecorator["BaseGeometry"]):
    """A column of shapely geometries of one kind: POINT, LINESTRING, GEOMETRY."""

    impl = PostgisGeometry
    cache_ok = True

    def __init__(self, geometry_type: str = "GEOMETRY") -> None:
        """Take geometries of this kind only (PostgreSQL checks it)."""
        super().__init__(geometry_type, srid=SRID, spatial_index=False)

    def load_dialect_impl(self, dialect: Dialect | None) -> TypeEngine[Any]:
        """Choose how the database keeps it. (GeoAlchemy2 asks with None whether it is a raster.)"""
        if dialect is None:
            return LargeBinary()
        if dialect.name == "postgresql":
            return dialect.type_descriptor(self.impl_instance)
        return dialect.type_descriptor(LargeBinary())

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        """Compare with what PostGIS functions return as they are."""
        del op, value
        return self

    def process_bind_param(self, value: BaseGeometry | None, dialect: Dialect) -> Any:
        """Turn shapely into what the driver takes."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            return from_shape(value, srid=SRID, extended=True)
        return shapely.to_wkb(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> BaseGeometry | None:
        """Turn what the driver gives into shapely."""
        del dialect
        if value is None:
            return None
        if isinstance(value, WKBElement):
            shape: BaseGeometry = to_shape(value)
            return shape
        return shapely.from_wkb(value)


def spatial_index(name: str, column: str) -> Index:
    """Declare a GiST index that only PostgreSQL makes."""
    return Index(name, column, postgresql_using="gist").ddl_if(dialect="postgresql")
