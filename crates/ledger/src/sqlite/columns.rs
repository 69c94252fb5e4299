//! A row as columns. Numbers without a sign are stored with the same bits as SQLite's signed ones.

use model::row::{Arrival, Flight, Lease, Row, State};
use model::{
    Epoch, Fence, Generation, JobId, KayakoId, Kind, Reason, RecordKey, RunNo, SourceId, UnixMillis,
};
use rusqlite::{CachedStatement, ToSql};

use crate::error::Error;

/// Columns of [`read`], in its order.
pub(super) const COLUMNS: &str = "state, run, kayako_id, arrival, reason, generation, fingerprint, command_hash, updating, doubted, \
     epoch, attempts, fence, lease_until, not_before, last_send_at, job, absent_once, alone, staged_kib";

/// Writes a row; the columns in the order of [`bind`].
pub(super) const WRITE: &str = "insert or replace into records (kind, source_id, state, run, kayako_id, arrival, reason, generation, \
     fingerprint, command_hash, updating, doubted, epoch, attempts, fence, lease_until, not_before, last_send_at, job, \
     absent_once, alone, staged_kib, due) \
     values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23)";

/// Runs [`WRITE`].
pub(super) fn write(statement: &mut CachedStatement<'_>, key: &RecordKey, row: &Row) -> Result<(), Error> {
    let flight = row.flight;
    let lease = flight.and_then(|f| f.lease);
    let values: [&dyn ToSql; 23] = [
        &key.kind.name(),
        &key.id.as_str(),
        &row.state.name(),
        &row.run.0,
        &row.kayako_id.map(|id| id.0.cast_signed()),
        &row.arrival.map(arrival_name),
        &row.reason.map(Reason::code),
        &row.generation.0,
        &row.fingerprint.cast_signed(),
        &row.command_hash.cast_signed(),
        &row.updating,
        &row.doubted,
        &flight.map(|f| f.epoch.0),
        &flight.map(|f| f.attempts),
        &lease.map(|l| l.fence.0.cast_signed()),
        &lease.map(|l| l.until.0),
        &flight.map(|f| f.not_before.0),
        &flight.and_then(|f| f.last_send_at).map(|at| at.0),
        &flight.and_then(|f| f.job).map(|job| job.0.cast_signed()),
        &flight.map(|f| f.absent_once),
        &flight.map(|f| f.alone),
        &flight.map(|f| f.staged_kib),
        &row.due().map(|at| at.0),
    ];
    statement.execute(values)?;
    Ok(())
}

/// Reads a row whose first of [`COLUMNS`] is at `from`.
pub(super) fn read(columns: &rusqlite::Row<'_>, from: usize) -> Result<Row, Error> {
    let state: &str = text(columns, from)?.ok_or(Error::Damaged { what: "a row's state" })?;
    let lease = match (columns.get::<_, Option<i64>>(from + 12)?, columns.get::<_, Option<i64>>(from + 13)?) {
        (Some(fence), Some(until)) => {
            Some(Lease { fence: Fence(fence.cast_unsigned()), until: UnixMillis(until) })
        }
        _ => None,
    };
    let flight = match columns.get::<_, Option<u32>>(from + 10)? {
        None => None,
        Some(epoch) => Some(Flight {
            epoch: Epoch(epoch),
            attempts: columns.get(from + 11)?,
            lease,
            not_before: UnixMillis(columns.get(from + 14)?),
            last_send_at: columns.get::<_, Option<i64>>(from + 15)?.map(UnixMillis),
            job: columns.get::<_, Option<i64>>(from + 16)?.map(|job| JobId(job.cast_unsigned())),
            absent_once: columns.get(from + 17)?,
            alone: columns.get(from + 18)?,
            staged_kib: columns.get(from + 19)?,
        }),
    };
    Ok(Row {
        state: State::from_name(state).ok_or(Error::Damaged { what: "a row's state" })?,
        run: RunNo(columns.get(from + 1)?),
        kayako_id: columns.get::<_, Option<i64>>(from + 2)?.map(|id| KayakoId(id.cast_unsigned())),
        arrival: text(columns, from + 3)?
            .map(|name| arrival(name).ok_or(Error::Damaged { what: "a row's arrival" }))
            .transpose()?,
        reason: text(columns, from + 4)?
            .map(|code| reason(code).ok_or(Error::Damaged { what: "a row's reason" }))
            .transpose()?,
        generation: Generation(columns.get(from + 5)?),
        fingerprint: columns.get::<_, i64>(from + 6)?.cast_unsigned(),
        command_hash: columns.get::<_, i64>(from + 7)?.cast_unsigned(),
        updating: columns.get(from + 8)?,
        doubted: columns.get(from + 9)?,
        flight,
    })
}

/// Reads a key whose kind is at `from` and whose id follows.
pub(super) fn read_key(columns: &rusqlite::Row<'_>, from: usize) -> Result<RecordKey, Error> {
    let kind = text(columns, from)?.and_then(kind).ok_or(Error::Damaged { what: "a row's kind" })?;
    Ok(RecordKey { kind, id: SourceId::new(columns.get::<_, String>(from + 1)?) })
}

/// The kind of that name.
pub(super) fn kind(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

fn text<'a>(columns: &'a rusqlite::Row<'_>, at: usize) -> Result<Option<&'a str>, Error> {
    columns.get_ref(at)?.as_str_or_null().map_err(|_| Error::Damaged { what: "a row's text" })
}

fn reason(code: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.code() == code)
}

fn arrival_name(arrival: Arrival) -> &'static str {
    match arrival {
        Arrival::Created => "created",
        Arrival::Adopted => "adopted",
        Arrival::Merged => "merged",
    }
}

fn arrival(name: &str) -> Option<Arrival> {
    [Arrival::Created, Arrival::Adopted, Arrival::Merged]
        .into_iter()
        .find(|arrival| arrival_name(*arrival) == name)
}
