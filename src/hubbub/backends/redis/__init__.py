"""Redis 7 or newer: a log that nodes share, and everything else that they must agree on. Needs `hubbub[redis]`."""
