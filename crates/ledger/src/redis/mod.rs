//! The shared ledger in Redis 7.0 or newer.
//!
//! Constraints:
//! - Every step is one script; the server's time, one slot, no state machine in Lua. All scripts may be repeated.
//! - Rows are packed values in bucketed hashes (about 54 bytes a record [measured]); fields and values stay below 65 bytes, else a whole
//!   bucket turns into the big encoding.
//! - A script's answer may get lost although it ran: callers read back and compare (`rows`, `documents`).

mod keys;
mod packed;
mod scripts;
mod server;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use model::row::{Delta, Tally};
use model::{Epoch, Fence, Kind, MigrationId, RecordKey, RunNo, SourceId, UnixMillis};
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, ScriptInvocation};

use self::keys::Keys;
use self::scripts::Scripts;
use crate::error::Error;
use crate::natural::NaturalKey;
use crate::options::{OpenOptions, Opening};
use crate::store::{Change, Cursor, Due, Moment, Page, Snapshot, Store, Stored, Swapped};

/// Format of all keys together; the keys' own versions change with what one key holds.
const FORMAT: u32 = 1;

/// Most buckets one round trip of a scan reads: sparse ledgers have many empty ones.
const SCAN_BUCKETS: u64 = 256;

/// Keys deleted per round trip.
const DELETE: usize = 1000;

/// A ledger in Redis.
pub(crate) struct RedisStore {
    connection: ConnectionManager,
    scripts: Scripts,
    keys: Keys,
    migration: MigrationId,
}

impl RedisStore {
    /// Connects and creates the ledger, or attaches to it.
    pub(crate) async fn open(
        url: &str,
        migration: &MigrationId,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        let mut connection = server::connect(url, options).await?;
        let scripts = Scripts::new();
        let wanted = match options.opening {
            Opening::Create { expected_records } => keys::buckets(expected_records),
            Opening::Attach => 1,
        };
        let mut keys = Keys::new(&options.prefix, migration, wanted);
        let found: (Option<u32>, Option<u64>) = match options.opening {
            Opening::Create { .. } => {
                scripts
                    .create
                    .key(keys.meta())
                    .arg(FORMAT)
                    .arg(migration.as_str())
                    .arg(wanted)
                    .invoke_async(&mut connection)
                    .await?
            }
            Opening::Attach => {
                let mut call = redis::cmd("HMGET");
                call.arg(keys.meta()).arg("format").arg("buckets");
                call.query_async(&mut connection).await?
            }
        };
        match found {
            (Some(FORMAT), Some(buckets)) if buckets > 0 => {
                keys = Keys::new(&options.prefix, migration, buckets);
            }
            (Some(format), _) if format != FORMAT => {
                return Err(Error::UnknownVersion { what: "the ledger", found: format, known: FORMAT });
            }
            (Some(_), _) => return Err(Error::Damaged { what: "the number of buckets" }),
            (None, _) => return Err(Error::Empty { migration: migration.to_string() }),
        }
        Ok(Self { connection, scripts, keys, migration: migration.clone() })
    }

    async fn run<T: redis::FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, Error> {
        call.invoke_async(&mut self.connection.clone()).await.map_err(|error| self.named(error))
    }

    fn named(&self, error: redis::RedisError) -> Error {
        if error.code() == Some("EMPTY") {
            Error::Empty { migration: self.migration.to_string() }
        } else {
            Error::Redis(error)
        }
    }

    /// The records of fields; hashed ids are looked up.
    async fn resolve(&self, found: Vec<(Kind, Vec<u8>)>) -> Result<Vec<RecordKey>, Error> {
        let hashed: Vec<&Vec<u8>> =
            found.iter().map(|(_, field)| field).filter(|field| keys::is_hashed(field)).collect();
        let mut full: HashMap<Vec<u8>, String> = HashMap::new();
        if !hashed.is_empty() {
            let mut connection = self.connection.clone();
            let ids: Vec<Option<String>> =
                redis::cmd("HMGET").arg(self.keys.long()).arg(&hashed).query_async(&mut connection).await?;
            for (field, id) in hashed.into_iter().zip(ids) {
                full.insert(field.clone(), id.ok_or(Error::Damaged { what: "a long id" })?);
            }
        }
        found
            .into_iter()
            .map(|(kind, field)| {
                let id = match full.get(&field) {
                    Some(id) => id.clone(),
                    None => String::from_utf8(field).map_err(|_| Error::Damaged { what: "an id" })?,
                };
                Ok(RecordKey { kind, id: SourceId::new(id) })
            })
            .collect()
    }
}

/// Splits a member into kind and field.
fn split_member(member: &[u8]) -> Result<(Kind, Vec<u8>), Error> {
    let (code, field) = member.split_first().ok_or(Error::Damaged { what: "a member" })?;
    Ok((Kind::from_code(*code).ok_or(Error::Damaged { what: "a member's kind" })?, field.to_vec()))
}

/// Name of a counter.
fn counter(run: RunNo, kind: Kind, tally: Tally) -> String {
    format!("{run}:{}:{}", char::from(kind.code()), tally.name())
}

/// Splits "version body".
fn split_document(stored: &[u8]) -> Result<Stored, Error> {
    let damaged = || Error::Damaged { what: "a document's version" };
    let at = stored.iter().position(|byte| *byte == b' ').ok_or_else(damaged)?;
    let version = std::str::from_utf8(&stored[..at]).ok().and_then(|text| text.parse().ok());
    Ok((version.ok_or_else(damaged)?, stored[at + 1..].to_vec()))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Store for RedisStore {
    async fn read(&self, keys: &[&RecordKey], draw_fence: bool) -> Result<Snapshot, Error> {
        let mut call = self.scripts.read.key(self.keys.meta());
        call.arg(i32::from(draw_fence));
        for key in keys {
            call.key(self.keys.row(key)).arg(keys::field(&key.id).0);
        }
        let (now, epoch, since, fence, rows): (i64, u32, i64, u64, Vec<Option<Vec<u8>>>) =
            self.run(&call).await?;
        let rows = rows.iter().map(|row| row.as_deref().map(packed::unpack).transpose());
        Ok(Snapshot {
            moment: Moment { now: UnixMillis(now), epoch: Epoch(epoch), epoch_since: UnixMillis(since) },
            rows: rows.collect::<Result<_, _>>()?,
            fence: Fence(fence),
        })
    }

    async fn swap(
        &self,
        epoch: Epoch,
        deadline: Option<UnixMillis>,
        changes: &[Change<'_>],
    ) -> Result<Swapped, Error> {
        let mut call = self.scripts.swap.key(self.keys.meta());
        call.key(self.keys.counts()).key(self.keys.due()).key(self.keys.long());
        call.arg(epoch.0).arg(deadline.map_or(String::new(), |at| at.0.to_string()));
        for change in changes {
            let (field, long) = keys::field(&change.key.id);
            call.key(self.keys.row(change.key)).arg(field);
            call.arg(change.expected.as_ref().map(packed::pack).unwrap_or_default());
            call.arg(packed::pack(&change.row));
            match change.due() {
                Due::Same => call.arg("="),
                Due::Gone => call.arg("-"),
                Due::At(at) => call.arg(at.0),
            };
            call.arg(keys::member(change.key));
            call.arg(if long && change.expected.is_none() { change.key.id.as_str() } else { "" });
            call.arg(change.deltas.len());
            for delta in &change.deltas {
                call.arg(counter(delta.run, delta.kind, delta.tally)).arg(delta.by);
            }
        }
        let (outcome, applied): (String, Vec<u8>) = self.run(&call).await?;
        match outcome.as_str() {
            "done" if applied.len() == changes.len() => {
                Ok(Swapped::Done(applied.into_iter().map(|mark| mark == b'1').collect()))
            }
            "other_epoch" => Ok(Swapped::OtherEpoch),
            "late" => Ok(Swapped::Late),
            _ => Err(Error::Damaged { what: "the answer to a swap" }),
        }
    }

    async fn due(&self, before: UnixMillis, limit: usize) -> Result<Vec<(RecordKey, UnixMillis)>, Error> {
        let found: Vec<(Vec<u8>, f64)> = redis::cmd("ZRANGEBYSCORE")
            .arg(self.keys.due())
            .arg("-inf")
            .arg(format!("({}", before.0))
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(limit)
            .query_async(&mut self.connection.clone())
            .await?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "scores are milliseconds, whole numbers below 2^53"
        )]
        let times: Vec<UnixMillis> = found.iter().map(|(_, at)| UnixMillis(*at as i64)).collect();
        let members = found.iter().map(|(member, _)| split_member(member)).collect::<Result<_, _>>()?;
        Ok(self.resolve(members).await?.into_iter().zip(times).collect())
    }

    async fn scan(&self, from: Option<&Cursor>, limit: usize) -> Result<Page, Error> {
        // A cursor is the number of the next bucket, the buckets of all kinds counted through.
        let damaged = || Error::Damaged { what: "a scan's cursor" };
        let mut next: u64 = from.map_or(Ok(0), |cursor| cursor.0.parse()).map_err(|_| damaged())?;
        let end = self.keys.buckets() * Kind::ALL.len() as u64;
        let mut width = 1;
        let (mut members, mut rows) = (Vec::new(), Vec::new());
        while next < end && rows.len() < limit {
            let buckets: Vec<(Kind, u64)> = (next..end.min(next + width))
                .filter_map(|at| {
                    let kind = Kind::ALL.get(usize::try_from(at / self.keys.buckets()).ok()?)?;
                    Some((*kind, at % self.keys.buckets()))
                })
                .collect();
            let mut pipe = redis::pipe();
            for (kind, bucket) in &buckets {
                pipe.hgetall(self.keys.rows(*kind, *bucket));
            }
            let found: Vec<Vec<(Vec<u8>, Vec<u8>)>> = pipe.query_async(&mut self.connection.clone()).await?;
            next += buckets.len() as u64;
            let before = rows.len();
            for ((kind, _), bucket) in buckets.into_iter().zip(found) {
                for (field, row) in bucket {
                    rows.push(packed::unpack(&row)?);
                    members.push((kind, field));
                }
            }
            // Widen the step while it brings little, so that a small migration is not read one empty bucket at a time.
            width = if rows.len() - before < limit / 4 { (width * 2).min(SCAN_BUCKETS) } else { 1 };
        }
        let rows = self.resolve(members).await?.into_iter().zip(rows).collect();
        Ok((rows, (next < end).then(|| Cursor(next.to_string()))))
    }

    async fn counters(&self, run: RunNo) -> Result<(u64, Vec<Delta>), Error> {
        let names: Vec<(Kind, Tally)> =
            Kind::ALL.into_iter().flat_map(|kind| Tally::ALL.map(|tally| (kind, tally))).collect();
        let mut call = redis::cmd("HMGET");
        call.arg(self.keys.counts()).arg("swaps");
        for (kind, tally) in &names {
            call.arg(counter(run, *kind, *tally));
        }
        let found: Vec<Option<i64>> = call.query_async(&mut self.connection.clone()).await?;
        let swaps = found.first().copied().flatten().unwrap_or(0).cast_unsigned();
        let counters = names.into_iter().zip(found.into_iter().skip(1));
        let counters = counters.filter_map(|((kind, tally), by)| Some(Delta { run, kind, tally, by: by? }));
        Ok((swaps, counters.collect()))
    }

    async fn document(&self, name: &str) -> Result<(Moment, Option<Stored>), Error> {
        let mut call = self.scripts.document.key(self.keys.meta());
        call.key(self.keys.documents()).arg(name);
        let (now, epoch, since, found): (i64, u32, i64, Option<Vec<u8>>) = self.run(&call).await?;
        let moment = Moment { now: UnixMillis(now), epoch: Epoch(epoch), epoch_since: UnixMillis(since) };
        Ok((moment, found.as_deref().map(split_document).transpose()?))
    }

    async fn put_document(
        &self,
        name: &str,
        expected: Option<u64>,
        body: &[u8],
    ) -> Result<Option<u64>, Error> {
        let mut call = self.scripts.put_document.key(self.keys.meta());
        call.key(self.keys.documents()).arg(name);
        call.arg(expected.map_or(String::new(), |version| version.to_string())).arg(body);
        self.run(&call).await
    }

    async fn documents(&self, prefix: &str) -> Result<Vec<(String, Stored)>, Error> {
        let mut connection = self.connection.clone();
        let mut names: Vec<String> = connection.hkeys(self.keys.documents()).await?;
        names.retain(|name| name.starts_with(prefix));
        names.sort_unstable();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Option<Vec<u8>>> =
            redis::cmd("HMGET").arg(self.keys.documents()).arg(&names).query_async(&mut connection).await?;
        let found = names.into_iter().zip(found);
        found
            .filter_map(|(name, stored)| Some(split_document(&stored?).map(|stored| (name, stored))))
            .collect()
    }

    async fn try_lock(&self, name: &str, owner: &str, ttl: Duration) -> Result<Option<Fence>, Error> {
        let mut call = self.scripts.lock.key(self.keys.meta());
        call.key(self.keys.locks()).arg("take").arg(name).arg(owner).arg("").arg(millis(ttl));
        Ok(self.run::<Option<u64>>(&call).await?.map(Fence))
    }

    async fn renew_lock(&self, name: &str, owner: &str, fence: Fence, ttl: Duration) -> Result<bool, Error> {
        let mut call = self.scripts.lock.key(self.keys.meta());
        call.key(self.keys.locks()).arg("renew").arg(name).arg(owner).arg(fence.0).arg(millis(ttl));
        Ok(self.run::<Option<u64>>(&call).await?.is_some())
    }

    async fn unlock(&self, name: &str, owner: &str, fence: Fence) -> Result<bool, Error> {
        let mut call = self.scripts.lock.key(self.keys.meta());
        call.key(self.keys.locks()).arg("free").arg(name).arg(owner).arg(fence.0).arg(0);
        Ok(self.run::<Option<u64>>(&call).await?.is_some())
    }

    async fn claim_natural(&self, claims: &[(NaturalKey, RecordKey)]) -> Result<Vec<RecordKey>, Error> {
        let mut call = self.scripts.claim_natural.key(self.keys.meta());
        call.key(self.keys.long());
        for (natural, record) in claims {
            let (field, long) = keys::field(&record.id);
            let mut name = vec![natural.kind.code()];
            name.extend_from_slice(&natural.hash);
            call.key(self.keys.natural_of(&natural.hash)).arg(name).arg(keys::member(record)).arg(field);
            call.arg(if long { record.id.as_str() } else { "" });
        }
        let owners: Vec<Vec<u8>> = self.run(&call).await?;
        let members = owners.iter().map(|owner| split_member(owner)).collect::<Result<_, _>>()?;
        self.resolve(members).await
    }

    async fn put_sealed(&self, name: &str, sealed: &[u8]) -> Result<(), Error> {
        Ok(self.connection.clone().hset(self.keys.sealed(), name, sealed).await?)
    }

    async fn sealed(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.connection.clone().hget(self.keys.sealed(), name).await?)
    }

    async fn start_epoch(&self) -> Result<Epoch, Error> {
        let call = self.scripts.start_epoch.key(self.keys.meta());
        Ok(Epoch(self.run(&call).await?))
    }

    async fn destroy(&self) -> Result<(), Error> {
        let all: Vec<String> = self.keys.all().collect();
        for some in all.chunks(DELETE) {
            redis::cmd("UNLINK").arg(some).query_async::<()>(&mut self.connection.clone()).await?;
        }
        Ok(())
    }
}
