//! The bench is `examples/outbox`: an example may have development dependencies, a binary may not.
