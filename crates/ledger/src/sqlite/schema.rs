//! Tables of the ledger file. Plain columns and names, so that `sqlite3 ledger.db 'select * from records'` explains a migration without
//! our program.

use model::MigrationId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::options::Opening;

/// Version of the tables (`pragma user_version`).
const VERSION: u32 = 1;

/// `pragma application_id`: "KMLG", by which `file` tells what it is.
const APPLICATION: i32 = 0x4b4d_4c47;

const TABLES: &str = "
    -- One row per record of the source; the columns after doubted are set only while work on it is outstanding.
    create table records (
        kind text not null, source_id text not null,
        state text not null, run integer not null, kayako_id integer, arrival text, reason text,
        generation integer not null, fingerprint integer not null, command_hash integer not null,
        updating integer not null, doubted integer not null,
        epoch integer, attempts integer, fence integer, lease_until integer, not_before integer,
        last_send_at integer, job integer, absent_once integer, alone integer, staged_kib integer,
        due integer,
        primary key (kind, source_id)
    ) strict, without rowid;
    -- Rows on which work is outstanding, by the time at which somebody should look.
    create index records_due on records (due) where due is not null;
    -- The table of each run; changes in the transaction that changes the row.
    create table counters (
        run integer not null, kind text not null, tally text not null, amount integer not null,
        primary key (run, kind, tally)
    ) strict, without rowid;
    -- Facts: runs, plans, checkpoints, budgets.
    create table documents (
        name text primary key, version integer not null, body text not null
    ) strict, without rowid;
    -- Leadership and single-flight locks; one whose end is past is free.
    create table locks (
        name text primary key, owner text not null, fence integer not null, until integer not null
    ) strict, without rowid;
    -- Owners of e-mail addresses and domains, by keyed hash.
    create table natural_keys (
        kind text not null, hash blob not null, owner_kind text not null, owner_id text not null,
        primary key (kind, hash)
    ) strict, without rowid;
    -- Encrypted secrets.
    create table sealed (name text primary key, body blob not null) strict, without rowid;
    -- migration, stamp, epoch, epoch_since, fence (last one drawn), swaps (number so far).
    create table meta (name text primary key, value any) strict, without rowid;
";

/// Makes sure that the file is a ledger of this migration; creates the tables if allowed. `stamp` names the file and the start of the
/// machine: another one than last time is a new epoch.
pub(super) fn prepare(
    connection: &mut Connection,
    migration: &MigrationId,
    opening: Opening,
    stamp: &str,
    now: i64,
) -> Result<(), Error> {
    let step = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: u32 = step.query_row("pragma user_version", [], |row| row.get(0))?;
    if version > VERSION {
        return Err(Error::UnknownVersion { what: "the ledger file", found: version, known: VERSION });
    }
    if version == 0 {
        if opening == Opening::Attach {
            return Err(Error::Empty { migration: migration.to_string() });
        }
        step.execute_batch(TABLES)?;
        step.pragma_update(None, "user_version", VERSION)?;
        step.pragma_update(None, "application_id", APPLICATION)?;
        let mut insert = step.prepare("insert into meta (name, value) values (?1, ?2)")?;
        insert.execute(params!["migration", migration.as_str()])?;
        insert.execute(params!["stamp", stamp])?;
        insert.execute(params!["epoch", 1])?;
        insert.execute(params!["epoch_since", now])?;
        insert.execute(params!["fence", 0])?;
        insert.execute(params!["swaps", 0])?;
    }
    let found: Option<String> =
        step.query_row("select value from meta where name = 'migration'", [], |row| row.get(0)).optional()?;
    match found {
        None => return Err(Error::Empty { migration: migration.to_string() }),
        Some(found) if found != migration.as_str() => {
            return Err(Error::OtherMigration { found, wanted: migration.to_string() });
        }
        Some(_) => {}
    }
    let last: String = step.query_row("select value from meta where name = 'stamp'", [], |row| row.get(0))?;
    if last != stamp {
        step.execute("update meta set value = ?1 where name = 'stamp'", [stamp])?;
        start_epoch(&step, now)?;
        tracing::warn!("the ledger file was restored or the machine was restarted: a new epoch begins");
    }
    step.commit()?;
    Ok(())
}

/// Begins a new epoch.
pub(super) fn start_epoch(connection: &Connection, now: i64) -> Result<u32, Error> {
    connection.execute("update meta set value = value + 1 where name = 'epoch'", [])?;
    connection.execute("update meta set value = ?1 where name = 'epoch_since'", [now])?;
    Ok(connection.query_row("select value from meta where name = 'epoch'", [], |row| row.get(0))?)
}
