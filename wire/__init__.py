"""What two ChatApp programs exchange: values, bytes, keys and reliable delivery, without roles and
without clocks.

Read first: `names` (who somebody is), `limits` (what a stranger may cost), `codec` (values to bytes).
"""
