//! Notes on users and organizations (reference section 4.10).

use serde_json::{Value, json};

use super::call::{Call, Caller, Role};
use super::envelope::{Answer, Failure, Problems};
use super::purifier::purify;
use super::state::{State, stamp};

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    User(u64),
    Organization(u64),
}

/// A note.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) id: u64,
    pub(crate) creator_id: u64,
    pub(crate) contents: String,
    is_html: bool,
    is_pinned: bool,
    pub(crate) created_at: i64,
}

impl State {
    fn note_ids(&mut self, subject: Subject) -> Option<&mut Vec<u64>> {
        match subject {
            Subject::User(id) => self.users.get_mut(id).map(|user| &mut user.note_ids),
            Subject::Organization(id) => self.organizations.get_mut(id).map(|row| &mut row.note_ids),
        }
    }
}

/// Everything below `/users/:id/notes` and `/organizations/:id/notes`.
pub(crate) fn serve(
    state: &mut State,
    caller: &Caller,
    call: &mut Call,
    subject: Subject,
    path: &[&str],
) -> Result<Answer, Failure> {
    let id = |text: &str| text.parse::<u64>().map_err(|_| Failure::not_found());
    let known = state.note_ids(subject).ok_or_else(Failure::not_found)?.clone();
    let show = |state: &State, call: &Call, note: &Note| -> Value {
        json!({
            "id": note.id,
            "body_text": note.contents,
            "body_html": if note.is_html { Some(&note.contents) } else { None },
            "is_pinned": note.is_pinned,
            "creator": state.reference("user", Some(note.creator_id), &call.shape, 0),
            "created_at": stamp(note.created_at),
            "updated_at": stamp(note.created_at),
            "resource_type": "note",
        })
    };
    let mut problems = Problems::default();
    match (call.method.as_str(), path) {
        ("GET", []) => {
            let rows: Vec<&Note> = known.iter().rev().filter_map(|id| state.notes.get(*id)).collect();
            Ok(call.page(state, "note", &rows, |note| show(state, call, note)))
        }
        ("POST", []) => {
            caller.require(Role::Collaborator)?;
            let contents = call.params.text("contents", &mut problems).filter(|text| !text.is_empty());
            let is_html = call.params.flag("is_html", &mut problems).unwrap_or(false);
            if contents.is_none() {
                problems.add(Failure::required("contents"));
            }
            problems.finish()?;
            let contents = contents.unwrap_or_default();
            let contents = if is_html { purify(contents) } else { contents };
            let note = Note {
                id: state.notes.next_id(),
                creator_id: caller.user_id,
                contents,
                is_html,
                is_pinned: false,
                created_at: state.now(),
            };
            let id = state.notes.insert(note);
            if let Some(ids) = state.note_ids(subject) {
                ids.push(id);
            }
            let note = state.notes.get(id).ok_or_else(Failure::not_found)?;
            Ok(Answer::created("note", show(state, call, note)))
        }
        ("PUT", [note]) => {
            let id = id(note)?;
            let pinned = call.params.flag("is_pinned", &mut problems);
            problems.finish()?;
            let note =
                state.notes.get_mut(id).filter(|_| known.contains(&id)).ok_or_else(Failure::not_found)?;
            note.is_pinned = pinned.unwrap_or(note.is_pinned);
            let shown = note.clone();
            Ok(Answer::one("note", show(state, call, &shown)))
        }
        ("DELETE", [note]) => {
            let id = id(note)?;
            state.note_ids(subject).ok_or_else(Failure::not_found)?.retain(|known| *known != id);
            state.notes.remove(id).ok_or_else(Failure::not_found)?;
            Ok(Answer::count(1))
        }
        _ => Err(Failure::not_found()),
    }
}
