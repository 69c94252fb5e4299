//! The steps of the store seam as SQL, each inside a transaction of its caller.

use std::time::Duration;

use model::row::{Delta, Row, Tally};
use model::{Epoch, Fence, RecordKey, RunNo, UnixMillis};
use rusqlite::{Connection, OptionalExtension, params};

use super::columns;
use crate::error::Error;
use crate::natural::NaturalKey;
use crate::store::{Cursor, Moment, Page, Snapshot, Stored, Swapped, after};

/// A change whose parts are owned, to cross to the blocking thread.
pub(super) type OwnedChange = (RecordKey, Option<Row>, Row, Vec<Delta>);

pub(super) fn moment(connection: &Connection, now: UnixMillis) -> Result<Moment, Error> {
    Ok(Moment {
        now,
        epoch: Epoch(meta(connection, "epoch")?),
        epoch_since: UnixMillis(meta(connection, "epoch_since")?),
    })
}

fn meta<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> Result<T, Error> {
    let mut select = connection.prepare_cached("select value from meta where name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0))?)
}

/// The next fence.
fn draw(connection: &Connection, now: UnixMillis) -> Result<Fence, Error> {
    let last: i64 = meta(connection, "fence")?;
    let fence = after(last.cast_unsigned(), now);
    let mut update = connection.prepare_cached("update meta set value = ?1 where name = 'fence'")?;
    update.execute([fence.cast_signed()])?;
    Ok(Fence(fence))
}

fn row(connection: &Connection, key: &RecordKey) -> Result<Option<Row>, Error> {
    let query = row_query();
    let mut select = connection.prepare_cached(&query)?;
    let mut found = select.query([key.kind.name(), key.id.as_str()])?;
    found.next()?.map(|columns| columns::read(columns, 0)).transpose()
}

fn row_query() -> String {
    format!("select {} from records where kind = ?1 and source_id = ?2", columns::COLUMNS)
}

pub(super) fn read(
    connection: &Connection,
    now: UnixMillis,
    keys: &[RecordKey],
    draw_fence: bool,
) -> Result<Snapshot, Error> {
    let fence = if draw_fence { draw(connection, now)? } else { Fence(0) };
    let rows = keys.iter().map(|key| row(connection, key)).collect::<Result<_, _>>()?;
    Ok(Snapshot { moment: moment(connection, now)?, rows, fence })
}

pub(super) fn swap(
    connection: &Connection,
    now: UnixMillis,
    epoch: Epoch,
    deadline: Option<UnixMillis>,
    changes: &[OwnedChange],
) -> Result<Swapped, Error> {
    if moment(connection, now)?.epoch != epoch {
        return Ok(Swapped::OtherEpoch);
    }
    if deadline.is_some_and(|deadline| now > deadline) {
        return Ok(Swapped::Late);
    }
    let mut write = connection.prepare_cached(columns::WRITE)?;
    let mut totals: Vec<Delta> = Vec::new();
    let mut applied = Vec::with_capacity(changes.len());
    for (key, expected, new, deltas) in changes {
        let same = row(connection, key)? == *expected;
        if same {
            columns::write(&mut write, key, new)?;
            for delta in deltas {
                let same = |d: &&mut Delta| (d.run, d.kind, d.tally) == (delta.run, delta.kind, delta.tally);
                match totals.iter_mut().find(same) {
                    Some(total) => total.by += delta.by,
                    None => totals.push(*delta),
                }
            }
        }
        applied.push(same);
    }
    let mut count = connection.prepare_cached(
        "insert into counters (run, kind, tally, amount) values (?1, ?2, ?3, ?4) \
         on conflict (run, kind, tally) do update set amount = amount + excluded.amount",
    )?;
    for delta in totals.iter().filter(|delta| delta.by != 0) {
        count.execute(params![delta.run.0, delta.kind.name(), delta.tally.name(), delta.by])?;
    }
    if applied.contains(&true) {
        connection.prepare_cached("update meta set value = value + 1 where name = 'swaps'")?.execute([])?;
    }
    Ok(Swapped::Done(applied))
}

pub(super) fn due(
    connection: &Connection,
    before: UnixMillis,
    limit: usize,
) -> Result<Vec<(RecordKey, UnixMillis)>, Error> {
    let mut select = connection.prepare_cached(
        "select kind, source_id, due from records where due is not null and due < ?1 order by due limit ?2",
    )?;
    let mut rows = select.query(params![before.0, count(limit)])?;
    let mut found = Vec::new();
    while let Some(columns) = rows.next()? {
        found.push((columns::read_key(columns, 0)?, UnixMillis(columns.get(2)?)));
    }
    Ok(found)
}

pub(super) fn scan(connection: &Connection, from: Option<&Cursor>, limit: usize) -> Result<Page, Error> {
    // A cursor is the last key seen: "kind:id".
    let (kind, id) = from.and_then(|cursor| cursor.0.split_once(':')).unwrap_or(("", ""));
    let query = format!(
        "select kind, source_id, {} from records where (kind, source_id) > (?1, ?2) order by kind, source_id limit ?3",
        columns::COLUMNS
    );
    let mut select = connection.prepare_cached(&query)?;
    let mut rows = select.query(params![kind, id, count(limit)])?;
    let mut found = Vec::new();
    while let Some(columns) = rows.next()? {
        found.push((columns::read_key(columns, 0)?, columns::read(columns, 2)?));
    }
    let next = (found.len() == limit).then(|| found.last().map(|(key, _)| Cursor(key.to_string()))).flatten();
    Ok((found, next))
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn counters(connection: &Connection, run: RunNo) -> Result<(u64, Vec<Delta>), Error> {
    let swaps: i64 = meta(connection, "swaps")?;
    let mut select = connection.prepare_cached("select kind, tally, amount from counters where run = ?1")?;
    let mut rows = select.query([run.0])?;
    let mut found = Vec::new();
    while let Some(columns) = rows.next()? {
        let (kind, tally): (String, String) = (columns.get(0)?, columns.get(1)?);
        let damaged = Error::Damaged { what: "a counter's name" };
        let (Some(kind), Some(tally)) = (columns::kind(&kind), Tally::from_name(&tally)) else {
            return Err(damaged);
        };
        found.push(Delta { run, kind, tally, by: columns.get(2)? });
    }
    Ok((swaps.cast_unsigned(), found))
}

pub(super) fn document(connection: &Connection, name: &str) -> Result<Option<Stored>, Error> {
    let mut select = connection.prepare_cached("select version, body from documents where name = ?1")?;
    let found = select
        .query_row([name], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, String>(1)?)))
        .optional()?;
    Ok(found.map(|(version, body)| (version, body.into_bytes())))
}

pub(super) fn put_document(
    connection: &Connection,
    now: UnixMillis,
    name: &str,
    expected: Option<u64>,
    body: &[u8],
) -> Result<Option<u64>, Error> {
    let found = document(connection, name)?.map(|(version, _)| version);
    if found != expected {
        return Ok(None);
    }
    let version = after(found.unwrap_or(0), now);
    let body = std::str::from_utf8(body).map_err(|_| Error::Damaged { what: "a document's text" })?;
    connection
        .prepare_cached("insert or replace into documents (name, version, body) values (?1, ?2, ?3)")?
        .execute(params![name, version.cast_signed(), body])?;
    Ok(Some(version))
}

pub(super) fn documents(connection: &Connection, prefix: &str) -> Result<Vec<(String, Stored)>, Error> {
    let mut select = connection.prepare_cached(
        "select name, version, body from documents where substr(name, 1, length(?1)) = ?1 order by name",
    )?;
    let mut rows = select.query([prefix])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(2)?;
        found.push((row.get(0)?, (row.get::<_, i64>(1)?.cast_unsigned(), body.into_bytes())));
    }
    Ok(found)
}

pub(super) fn try_lock(
    connection: &Connection,
    now: UnixMillis,
    name: &str,
    owner: &str,
    ttl: Duration,
) -> Result<Option<Fence>, Error> {
    let moment = moment(connection, now)?;
    if moment.epoch > Epoch(1) && now < moment.epoch_since.plus(ttl) {
        return Ok(None);
    }
    let until: Option<i64> = connection
        .prepare_cached("select until from locks where name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if until.is_some_and(|until| until > now.0) {
        return Ok(None);
    }
    let fence = draw(connection, now)?;
    connection
        .prepare_cached("insert or replace into locks (name, owner, fence, until) values (?1, ?2, ?3, ?4)")?
        .execute(params![name, owner, fence.0.cast_signed(), now.plus(ttl).0])?;
    Ok(Some(fence))
}

pub(super) fn renew_lock(
    connection: &Connection,
    now: UnixMillis,
    name: &str,
    owner: &str,
    fence: Fence,
    ttl: Duration,
) -> Result<bool, Error> {
    let changed = connection
        .prepare_cached(
            "update locks set until = ?1 where name = ?2 and owner = ?3 and fence = ?4 and until > ?5",
        )?
        .execute(params![now.plus(ttl).0, name, owner, fence.0.cast_signed(), now.0])?;
    Ok(changed == 1)
}

pub(super) fn unlock(
    connection: &Connection,
    now: UnixMillis,
    name: &str,
    owner: &str,
    fence: Fence,
) -> Result<bool, Error> {
    let changed = connection
        .prepare_cached("delete from locks where name = ?1 and owner = ?2 and fence = ?3 and until > ?4")?
        .execute(params![name, owner, fence.0.cast_signed(), now.0])?;
    Ok(changed == 1)
}

pub(super) fn claim_natural(
    connection: &Connection,
    claims: &[(NaturalKey, RecordKey)],
) -> Result<Vec<RecordKey>, Error> {
    let mut insert = connection.prepare_cached(
        "insert into natural_keys (kind, hash, owner_kind, owner_id) values (?1, ?2, ?3, ?4) on conflict do nothing",
    )?;
    let mut select = connection
        .prepare_cached("select owner_kind, owner_id from natural_keys where kind = ?1 and hash = ?2")?;
    let mut owners = Vec::with_capacity(claims.len());
    for (key, record) in claims {
        let hash = key.hash.as_slice();
        insert.execute(params![key.kind.name(), hash, record.kind.name(), record.id.as_str()])?;
        let mut rows = select.query(params![key.kind.name(), hash])?;
        let owner = rows.next()?.map(|columns| columns::read_key(columns, 0)).transpose()?;
        owners.push(owner.ok_or(Error::Damaged { what: "a natural key's owner" })?);
    }
    Ok(owners)
}

pub(super) fn sealed(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut select = connection.prepare_cached("select body from sealed where name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?)
}

/// Forgets everything; the file stays, empty, and is created anew by the next run.
pub(super) fn destroy(connection: &Connection) -> Result<(), Error> {
    for table in ["records", "counters", "documents", "locks", "natural_keys", "sealed", "meta"] {
        connection.execute_batch(&format!("drop table {table}"))?;
    }
    connection.pragma_update(None, "user_version", 0)?;
    Ok(())
}
