//! The Source seam and one module per help desk.
