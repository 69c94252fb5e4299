//! The `sandbox` command: one line when ready, an orderly end on SIGTERM.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// Ends the process even if the test fails before it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_where_it_listens_and_ends_when_told() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    command.args(["--tickets", "30", "--seed", "9", "--switches", "pessimistic"]).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let text = |part: &str, name: &str| ready[part][name].as_str().unwrap().to_owned();

    let client = reqwest::Client::new();
    let session = client.get(format!("{}/api/v1/session", text("kayako", "url")));
    let session =
        session.basic_auth(text("kayako", "email"), Some(text("kayako", "password"))).send().await.unwrap();
    assert_eq!(session.status().as_u16(), 200);
    let me = client.get(format!("{}/api/v2/users/me", text("zendesk", "url")));
    let login = format!("{}/token", text("zendesk", "email"));
    let me: Value =
        me.basic_auth(login, Some(text("zendesk", "api_token"))).send().await.unwrap().json().await.unwrap();
    assert!(me["user"]["id"].is_u64(), "{me}");

    let told = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn it_teaches_and_refuses_nonsense() {
    let run =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_sandbox")).args(arguments).output().unwrap();
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for word in ["--latency-ms", "drop_after", "_sandbox/mails", "one JSON line"] {
        assert!(help.to_lowercase().contains(&word.to_lowercase()), "{word}");
    }
    let missing = run(&["--config", "no-such-file.json"]);
    assert!(!missing.status.success());
    assert!(String::from_utf8(missing.stderr).unwrap().contains("cannot read no-such-file.json"));
}
