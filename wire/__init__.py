"""What two ChatApp programs exchange: values, bytes, keys and reliable delivery, without roles and
without clocks."""
