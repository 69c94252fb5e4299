//! One suite for both stores: whatever one ledger does, the other does too.
//!
//! Redis comes from `KAYAKO_MIGRATE_TEST_REDIS`; each test has keys of its own and deletes them. Nothing waits for a fixed time: where
//! time has to pass, SQLite's clock is moved and Redis' clock is watched.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod concurrency;
mod epochs;
mod facts;
mod lost_answers;
mod operations;
mod sizes;
mod stores;
mod walk;

/// Makes two tests of each function, one per store.
#[macro_export]
macro_rules! on_both_stores {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let store = $crate::stores::TestStore::sqlite().await;
                $crate::stores::run(&store, super::$test(&store)).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let store = $crate::stores::TestStore::redis().await;
                $crate::stores::run(&store, super::$test(&store)).await;
            })*
        }
    };
}
