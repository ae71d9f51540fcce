"""Write what is made from the chart: ``python -m packaging_tools.kubernetes``."""

from __future__ import annotations

from packaging_tools.kubernetes.chart import MANIFESTS, SCHEMA, manifests, schema

if __name__ == "__main__":
    # The schema first: rendering holds the values against it.
    SCHEMA.write_text(schema())
    MANIFESTS.write_text(manifests())
