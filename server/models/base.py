"""What all tables share: the naming of constraints, and the types of a number of a row and of a document."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Integer, MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

document = JSON(none_as_null=True)  # a missing document is NULL, not the text null

# The number of a row: 64 bits on both; SQLite counts up only a column that is declared as INTEGER.
row_id = BigInteger().with_variant(Integer(), "sqlite")
