"""Costs that do not depend on a machine's speed, held within their bounds."""
