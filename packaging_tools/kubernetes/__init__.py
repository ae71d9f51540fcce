"""What is made from the Helm chart and the operator's settings: plain manifests, a schema."""
