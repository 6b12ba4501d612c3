//! Statistics on slices of numbers: no I/O, no clock, no words of the field.
