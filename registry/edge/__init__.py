"""The edge of a registry: links, seals and datagrams of the people at one node.

Read first: `ports` (what edge and engine say to each other), `edge` (the edge), `links` (one
connection).
"""
