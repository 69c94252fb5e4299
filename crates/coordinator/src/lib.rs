//! Reconciles the state of runs: phases, lost work, leases, counts, schedule.
