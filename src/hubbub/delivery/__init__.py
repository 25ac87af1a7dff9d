"""sans-IO machinery of delivery that server and clients share. `now` is always an argument."""
