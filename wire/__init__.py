"""What two ChatApp programs say to each other: values, bytes, keys and reliable delivery; no roles, no clocks."""
