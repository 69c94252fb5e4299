//! Uploads, their sessions and their end.

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use sandbox::kayako::Switches;
use serde_json::{Value, json};

use crate::desk::{Desk, Heard};

async fn upload(desk: &Desk, name: &str, content: &[u8]) -> Heard {
    let request = desk.request(Method::POST, "files?fields=-content").header("Content-Type", "text/plain");
    let request = request.header("Content-Disposition", format!("attachment; filename=\"{name}\""));
    Heard::of(request.body(content.to_vec()).send().await.unwrap()).await
}

fn note(requester: u64, file: u64) -> Value {
    json!({"subject": "S", "contents": "C", "requester_id": requester, "channel": "NOTE", "attachment_file_ids": file.to_string()})
}

#[tokio::test]
async fn a_file_is_echoed_unless_one_asks_not_to() {
    let desk = Desk::open(|_| {}).await;
    let quiet = upload(&desk, "grüße.txt", b"hello").await.data(201);
    assert_eq!(
        (&quiet["name"], &quiet["size"], quiet.get("content")),
        (&json!("grüße.txt"), &json!(5), None)
    );
    assert_eq!(quiet["group_hash"], format!("s:{}", desk.session));
    assert_eq!(
        (&quiet["created_at"], &quiet["expiry_at"]),
        (&json!("2026-01-05T08:00:00+00:00"), &json!("2026-01-05T11:00:00+00:00"))
    );
    let loud = desk.post("files", json!({"name": "a.txt", "content": "aGVsbG8="})).await.data(201);
    assert_eq!((&loud["content"], &loud["size"]), (&json!("aGVsbG8="), &json!(5)));
    let form = Form::new().part("files[]", Part::bytes(b"one".to_vec()).file_name("1.txt"));
    let form = form.part("files[]", Part::bytes(b"two!".to_vec()).file_name("2.txt"));
    let both = Heard::of(desk.request(Method::POST, "files").multipart(form).send().await.unwrap()).await;
    assert_eq!((both.status, &both.body["data"][1]["size"]), (201, &json!(4)));
}

#[tokio::test]
async fn attachments_arrive_whole_and_can_be_downloaded() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    let file = upload(&desk, "a.txt", b"hello").await.id(201);
    let mut case = Desk::case("acme:case:1", ann);
    case["attachment_file_ids"] = json!(file.to_string());
    case["posts"] = json!([{"channel": "NOTE", "contents": "again", "attachment_file_ids": [file]}]);
    desk.bulk("cases", &[case], true).await;
    let posts = desk.account.cases(0, 1).remove(0).posts;
    assert_eq!(posts[0].attachments, posts[1].attachments, "one file, two posts");
    assert_eq!(
        posts[0].attachments[0].sha256,
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    );
    let shown = desk.get("cases/1/posts?include=attachment").await;
    let link = shown.list()[0]["attachments"][0]["url_download"].as_str().unwrap().to_owned();
    let answer = desk.client.get(link).header("X-Session-ID", &desk.session).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain");
    assert_eq!(answer.bytes().await.unwrap(), "hello");
}

#[tokio::test]
async fn files_belong_to_their_session_and_die_with_it() {
    let desk = Desk::open(|config| config.switches.files_die_with_session = true).await;
    let ann = desk.customer("ann").await;
    let file = upload(&desk, "a.txt", b"hello").await.id(201);
    let mut other = Desk { session: desk.log_in().await, client: desk.client.clone(), ..desk };
    let foreign = other.post("cases", note(ann, file)).await;
    assert_eq!(
        (foreign.status, &foreign.body["errors"][0]["parameter"]),
        (400, &json!("attachment_file_ids"))
    );
    let own = upload(&other, "b.txt", b"hello").await.id(201);
    assert_eq!(other.post("cases", note(ann, own)).await.status, 201);

    other.account.set_switches(Switches {
        files_bound_to_session: false,
        files_die_with_session: true,
        ..Switches::friendly()
    });
    assert_eq!(other.post("cases", note(ann, file)).await.status, 201);
    other.account.expire_sessions();
    other.session = other.log_in().await;
    assert_eq!(other.post("cases", note(ann, file)).await.status, 400);
}

#[tokio::test]
async fn files_expire_after_three_hours() {
    let desk = Desk::open(|_| {}).await;
    let ann = desk.customer("ann").await;
    let file = upload(&desk, "a.txt", b"hello").await.id(201);
    desk.wait(3 * 3600 - 1);
    assert_eq!(desk.post("cases", note(ann, file)).await.status, 201);
    desk.wait(1);
    let expired = desk.post("cases", note(ann, file)).await;
    assert_eq!((expired.status, expired.code()), (400, "FIELD_INVALID"));
    assert_eq!(desk.account.cases(0, 1)[0].posts[0].attachments[0].size, 5, "what was attached stays");
}

#[tokio::test]
async fn a_late_job_finds_its_files_expired_if_it_takes_them_when_it_runs() {
    for (when_it_runs, cases) in [(true, 0), (false, 1)] {
        let desk = Desk::open(|config| {
            config.switches.bulk_takes_files_when_it_runs = when_it_runs;
            config.switches.job_pending_ms = 4 * 3_600_000;
        })
        .await;
        let ann = desk.customer("ann").await;
        let mut case = Desk::case("acme:case:1", ann);
        case["attachment_file_ids"] = json!(upload(&desk, "a.txt", b"hello").await.id(201));
        desk.bulk("cases", &[case], true).await;
        desk.wait(4 * 3600);
        assert_eq!(desk.account.counts().cases, cases, "{when_it_runs}");
    }
}

#[tokio::test]
async fn damaged_empty_and_large_files_are_refused() {
    let desk = Desk::open(|config| {
        config.switches.zero_byte_files_refused = true;
        config.switches.attachment_limit_bytes = 8;
        config.switches.attachment_limit_status = 402;
    })
    .await;
    assert_eq!(upload(&desk, "a.txt", b"").await.code(), "FIELD_EMPTY");
    let large = upload(&desk, "a.txt", b"123456789").await;
    assert_eq!((large.status, large.code()), (402, "LICENSE_LIMIT_REACHED"));
    let send = |md5: &str| {
        let request =
            desk.request(Method::POST, "files?_filename=a.txt").header("Content-Type", "text/plain");
        request.header("Content-MD5", md5).body("hello").send()
    };
    let damaged = Heard::of(send("rL0Y20zC+Fzt72VPzMSk2A==").await.unwrap()).await;
    assert_eq!((damaged.status, damaged.code()), (400, "CHECKSUM_MISMATCH"));
    assert_eq!(send("XUFAKrxLKna5cZ2REBfFkg==").await.unwrap().status().as_u16(), 201);
}
