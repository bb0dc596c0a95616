"""The figures of the desk: how long people waited and will wait, how they rated, and how many there are."""
