//! Bounds that hold whatever the account's size.

use super::decode::section;

section! {
    /// Bounds on memory, disk and parallel work. They change how fast a migration runs, not what it writes (except
    /// `max_attachment_bytes`).
    pub struct Limits {
        /// Records read from the source and not yet settled; above it, extractors stop reading.
        outstanding: u64 = 5_000, from 10 to 1_000_000;
        /// Bytes of attachments staged for records that are not settled; above it, extractors stop reading.
        staged_bytes: u64 = 1_073_741_824, from 1_048_576 to 1_099_511_627_776_u64;
        /// Largest attachment that is moved, in bytes. Bigger ones are named in the post and in the report.
        max_attachment_bytes: u64 = 52_428_800, from 1 to 1_073_741_824;
        /// Records whose details one extractor fetches at the same time.
        extract_in_flight: usize = 32, from 1 to 256;
        /// Records one transformer works on at the same time.
        transform_in_flight: usize = 32, from 1 to 1024;
        /// Requests one loader may have in flight; how many it really uses is found out from latency and push-back.
        load_in_flight: usize = 64, from 1 to 512;
        /// Messages one loader holds.
        load_messages: usize = 300, from 1 to 10_000;
        /// Bytes of messages one loader holds.
        load_bytes: u64 = 8_388_608, from 65_536 to 1_073_741_824;
    }
}
