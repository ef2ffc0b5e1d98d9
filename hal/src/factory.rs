//! Which driver opens which selector: one table.
