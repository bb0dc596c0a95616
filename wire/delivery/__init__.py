"""Reliable delivery of numbered messages over unreliable datagrams, without sockets, clocks, keys
or names."""
