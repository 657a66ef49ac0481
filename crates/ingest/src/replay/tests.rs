//! Replay on a simulated disk.
