//! Which event is possible in which state: the state machine as a table.
//!
//! The table decides nothing, [`crate::transition::next`] does. Tests compare the two, and a ledger's tests prove with it that
//! they took every transition there is.

/// Per event the names of the states in which it can apply, given a fitting fence and time; `none` is a record without a row.
pub const LEGAL: &[(&str, &[&str])] = &[
    (
        "register",
        &[
            "none",
            "discovered",
            "queued",
            "waiting_parent",
            "waiting_retry",
            "waiting_throttled",
            "waiting_target",
            "claimed",
            "intended",
            "in_doubt",
            "created",
            "committed",
            "verified",
            "filtered",
            "skipped",
            "failed",
        ],
    ),
    (
        // Of a committed or verified record: while it is updating.
        "published",
        &[
            "discovered",
            "queued",
            "waiting_parent",
            "waiting_retry",
            "waiting_throttled",
            "waiting_target",
            "claimed",
            "intended",
            "in_doubt",
            "created",
            "committed",
            "verified",
        ],
    ),
    (
        // Of a claimed or intended record: once the lease has ended.
        "claim",
        &[
            "discovered",
            "queued",
            "waiting_parent",
            "waiting_retry",
            "waiting_throttled",
            "waiting_target",
            "claimed",
            "intended",
            "in_doubt",
            "created",
        ],
    ),
    ("renew", &["claimed", "intended", "in_doubt", "created"]),
    ("intend", &["claimed"]),
    ("job_accepted", &["intended"]),
    ("unsent", &["intended"]),
    ("doubt", &["intended"]),
    ("absent", &["in_doubt"]),
    // Of a claimed record: adopted or merged only, nothing of ours was sent.
    ("created", &["claimed", "intended", "in_doubt", "created"]),
    // An earlier, lost ledger created it.
    ("recovered", &["claimed"]),
    ("park", &["claimed", "in_doubt", "created"]),
    ("release", &["claimed", "in_doubt", "created"]),
    ("commit", &["created"]),
    // Without a fence: of a discovered or queued record only.
    ("fail", &["discovered", "queued", "claimed", "intended", "created"]),
    ("skip", &["discovered", "queued", "claimed", "intended", "created"]),
    ("kept", &["committed", "verified"]),
    ("recounted", &["committed", "verified"]),
    // Of what was created only.
    ("requeue", &["committed", "verified"]),
    // Not while it is updating.
    ("verified", &["committed", "verified"]),
];
