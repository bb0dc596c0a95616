"""The operator's page: `ChatApp web --as NAME`, on the operator's own machine."""
