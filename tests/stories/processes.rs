//! The real program: its first start, its refusals, its end, and what survives a kill.
