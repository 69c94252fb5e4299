//! The rules of the write protocol, each of which can be taken away to see what it is good for.

/// A rule. A scenario without it must show the checker a double, a half-written record, or one that never ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The intent is stored before the request is sent.
    IntentBeforeSend,
    /// Without a job to ask, a probe waits until the quiet period after the last possible send is over.
    ProbeWaitsForQuiet,
    /// A loader sends nothing after the moment that its intent names.
    SelfFence,
    /// The moment that an intent names is not after the end of the lease.
    IntentEndsWithLease,
    /// What a loader says is refused if another one holds the record.
    FenceIsChecked,
    /// What was not settled and was touched in an older epoch is in doubt.
    OlderEpochIsDoubt,
    /// A claim of an older epoch is void.
    OlderClaimIsVoid,
    /// The first probe in a new epoch waits for the leases of the older one as well as for the quiet period.
    EpochWaitsForLeases,
    /// An absence that was seen in an older epoch counts for nothing.
    AbsenceEndsWithEpoch,
    /// Nobody leaves out a record without asking the loader, if it was touched in an older epoch.
    OlderEpochIsNotLeftOut,
    /// A record in doubt is probed, not sent again.
    DoubtIsProbed,
    /// That goes for a record whose parent did not arrive, too: it fails after the probe.
    OrphansAreProbed,
    /// A request without an answer is in doubt.
    SilenceIsDoubt,
    /// A job that has not ended is waited for before its objects are looked for.
    JobIsAsked,
    /// Absence counts when two look-ups agree, one visibility delay apart.
    TwoAbsences,
    /// A look-up whose pages do not add up says nothing.
    UnclearIsNotAbsent,
    /// A record is committed when every step is done.
    StepsBeforeCommit,
    /// A record is committed when what was sent was read back.
    ReadBackBeforeCommit,
    /// A record of which it is not known what is left to do is not committed.
    UnknownIsNotWhole,
    /// An addition is over when the lease is.
    AdditionEndsWithLease,
    /// A record is worked on when what it refers to is settled.
    ParentsFirst,
    /// The coordinator has records read again that no message carries.
    LostWorkIsFound,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 22] = [
        Self::IntentBeforeSend,
        Self::ProbeWaitsForQuiet,
        Self::SelfFence,
        Self::IntentEndsWithLease,
        Self::FenceIsChecked,
        Self::OlderEpochIsDoubt,
        Self::OlderClaimIsVoid,
        Self::EpochWaitsForLeases,
        Self::AbsenceEndsWithEpoch,
        Self::OlderEpochIsNotLeftOut,
        Self::DoubtIsProbed,
        Self::OrphansAreProbed,
        Self::SilenceIsDoubt,
        Self::JobIsAsked,
        Self::TwoAbsences,
        Self::UnclearIsNotAbsent,
        Self::StepsBeforeCommit,
        Self::ReadBackBeforeCommit,
        Self::UnknownIsNotWhole,
        Self::AdditionEndsWithLease,
        Self::ParentsFirst,
        Self::LostWorkIsFound,
    ];
}
