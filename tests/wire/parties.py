"""Strategies for what is sealed."""

from hypothesis import strategies as st

payloads = st.binary(max_size=200)
