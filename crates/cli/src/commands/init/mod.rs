//! `init`: writes a plan for two accounts, with suggested mappings.
//!
//! Constraints: asks only for what is missing and only a person at a terminal; secrets are named, never asked for or written;
//! what is written has been read back and checked.

mod draft;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use dialoguer::Input;
use kayako::OpenGate;
use model::MigrationId;
use model::plan::{AccountUrl, EmailAddress, Plan, SecretRef};
use model::timing::Timing;
use serde_json::json;
use sources::LocalPace;

use crate::accounts::{self, Tokens, Wires};
use crate::exit::Exit;
use crate::failure::{Code, Failure};
use crate::shell::Shell;
use crate::survey::{SourceSurvey, TargetSurvey};
use draft::{Essentials, SourceAccess};

/// Reads both accounts and writes a commented plan with suggested mappings
///
/// Asks for what is not given, if a person is there to answer. Secrets are named (env:NAME or file:/path), never typed here.
///
/// Example:
///   export ZENDESK_API_TOKEN=.. KAYAKO_PASSWORD=..
///   kayako-migrate init --source-url https://acme.zendesk.com --source-email admin@acme.example \
///     --target-url https://acme.kayako.com --target-email admin@acme.example
///
/// With an OAuth client instead of an API token (which Zendesk ends on 30 April 2027), no source e-mail is needed:
///   export ZENDESK_CLIENT_SECRET=..
///   kayako-migrate init --source-url https://acme.zendesk.com --source-oauth-client migration \
///     --target-url https://acme.kayako.com --target-email admin@acme.example
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InitArguments {
    /// Address of the Zendesk account
    #[arg(long, value_name = "URL")]
    source_url: Option<String>,
    /// E-mail of an administrator there
    #[arg(long, value_name = "EMAIL")]
    source_email: Option<String>,
    /// Where its API token is
    #[arg(long, value_name = "SECRET", default_value = "env:ZENDESK_API_TOKEN")]
    source_token: String,
    /// Identifier of an OAuth client there (client credentials), instead of e-mail and API token
    #[arg(long, value_name = "ID", conflicts_with = "source_email")]
    source_oauth_client: Option<String>,
    /// Where the OAuth client's secret is
    #[arg(long, value_name = "SECRET", default_value = "env:ZENDESK_CLIENT_SECRET")]
    source_oauth_secret: String,
    /// Address of the Kayako account
    #[arg(long, value_name = "URL")]
    target_url: Option<String>,
    /// E-mail of an administrator there
    #[arg(long, value_name = "EMAIL")]
    target_email: Option<String>,
    /// Where its password is
    #[arg(long, value_name = "SECRET", default_value = "env:KAYAKO_PASSWORD")]
    target_password: String,
    /// Name of the migration [default: from the source's address]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "plan.yaml")]
    out: PathBuf,
    /// Replaces the file if it exists
    #[arg(long)]
    force: bool,
}

/// Runs it.
pub(crate) async fn run(arguments: InitArguments, shell: &Shell) -> Result<Exit, Failure> {
    if arguments.out.exists() && !arguments.force {
        let sentence = format!("{} exists already", arguments.out.display());
        return Err(
            Failure::new(Code::Usage, sentence).advise("name another file with --out, or add --force")
        );
    }
    let essentials = essentials(&arguments, shell)?;
    // The shortest plan there is opens both accounts.
    let short = parse(&draft::minimal(&essentials))?;
    let source = accounts::source(
        &short,
        &shell.variables,
        Arc::new(LocalPace::default()),
        &Tokens::Own,
        &Wires::network(),
    )?;
    let client = accounts::target(
        &short,
        &shell.variables,
        &Timing::default(),
        Arc::new(OpenGate),
        &Wires::network(),
    )?;
    shell.output.say(format!("Reading {} and {} ...", essentials.source_url, essentials.target_url));
    let source = SourceSurvey::read(source.as_ref()).await?;
    let target = TargetSurvey::read(&client).await?;
    let draft = draft::write(&essentials, &source, &target);
    let plan = parse(&draft.yaml)?;
    if let Some(directory) = arguments.out.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)
            .map_err(|error| Failure::file("the directory", directory, error))?;
    }
    std::fs::write(&arguments.out, &draft.yaml)
        .map_err(|error| Failure::file("the plan", &arguments.out, error))?;
    let file = arguments.out.display();
    shell.output.say(format!("Wrote {file}: migration {}", plan.name));
    for line in &draft.summary {
        shell.output.say(format!("  {line}"));
    }
    shell.output.say(format!(
        "Look it over, then: kayako-migrate preflight --plan {file} && kayako-migrate run --demo --plan {file}"
    ));
    shell.output.document(&json!({
        "plan": arguments.out,
        "name": plan.name,
        "agents": { "matched": draft.matched, "unmatched": draft.unmatched },
        "fields": { "matched": draft.fields, "unmatched": draft.unmatched_fields },
    }));
    Ok(Exit::Ok)
}

fn parse(yaml: &str) -> Result<Plan, Failure> {
    Plan::parse(yaml).map_err(|problems| Failure::plan("what was given makes no good plan", problems))
}

/// What a plan cannot do without.
fn essentials(arguments: &InitArguments, shell: &Shell) -> Result<Essentials, Failure> {
    let by_oauth = arguments.source_oauth_client.is_some();
    let wanted: Vec<(&str, &str, &Option<String>)> = [
        ("--source-url", "Address of the Zendesk account", &arguments.source_url),
        ("--source-email", "E-mail of an administrator there", &arguments.source_email),
        ("--target-url", "Address of the Kayako account", &arguments.target_url),
        ("--target-email", "E-mail of an administrator there", &arguments.target_email),
    ]
    .into_iter()
    .filter(|(flag, ..)| !(by_oauth && *flag == "--source-email"))
    .collect();
    let missing: Vec<&str> =
        wanted.iter().filter(|(_, _, given)| given.is_none()).map(|(flag, ..)| *flag).collect();
    let somebody_is_there =
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !shell.output.json;
    if !missing.is_empty() && !somebody_is_there {
        let sentence = format!("there is nobody to ask for {}", missing.join(", "));
        return Err(Failure::new(Code::Usage, sentence).advise("give them on the command line"));
    }
    let mut answers = BTreeMap::new();
    for (flag, question, given) in wanted {
        let answer = match given {
            Some(answer) => answer.clone(),
            None => ask(flag, question)?,
        };
        check(flag, &answer)?;
        answers.insert(flag, answer.trim().to_owned());
    }
    for (flag, secret) in [
        ("--source-token", &arguments.source_token),
        ("--source-oauth-secret", &arguments.source_oauth_secret),
        ("--target-password", &arguments.target_password),
    ] {
        SecretRef::parse(secret).map_err(|error| {
            Failure::new(Code::Usage, format!("{flag} {error}"))
                .advise("write env:NAME (an environment variable) or file:/path (a file with the secret)")
        })?;
    }
    let mut answer = |flag: &str| answers.remove(flag).unwrap_or_default();
    let (source_url, source_email) = (answer("--source-url"), answer("--source-email"));
    let (target_url, target_email) = (answer("--target-url"), answer("--target-email"));
    let source_access = match &arguments.source_oauth_client {
        Some(client_id) => SourceAccess::OAuth {
            client_id: client_id.clone(),
            client_secret: arguments.source_oauth_secret.clone(),
        },
        None => SourceAccess::Token { email: source_email, api_token: arguments.source_token.clone() },
    };
    let name = arguments.name.clone().unwrap_or_else(|| name_from(&source_url));
    Ok(Essentials {
        name,
        source_url,
        source_access,
        target_url,
        target_email,
        target_password: arguments.target_password.clone(),
    })
}

fn check(flag: &str, answer: &str) -> Result<(), Failure> {
    let problem = if flag.ends_with("url") {
        AccountUrl::parse(answer).err().map(|error| error.to_string())
    } else {
        EmailAddress::parse(answer).err().map(|error| error.to_string())
    };
    match problem {
        // The answer is not repeated: it may hold a password.
        Some(problem) => Err(Failure::new(Code::Usage, format!("what was given for {flag} {problem}"))),
        None => Ok(()),
    }
}

fn ask(flag: &str, question: &str) -> Result<String, Failure> {
    let valid = |answer: &String| check(flag, answer).map_err(|failure| failure.to_string());
    Input::<String>::new()
        .with_prompt(question)
        .validate_with(valid)
        .interact_text()
        .map_err(|error| Failure::new(Code::Usage, format!("there is no answer for {flag}")).because(error))
}

/// `https://acme.zendesk.com` -> `acme`.
fn name_from(url: &str) -> String {
    let host = AccountUrl::parse(url).map(|url| url.host().to_owned()).unwrap_or_default();
    let first = host.split('.').next().unwrap_or_default().to_lowercase();
    let first: String = first.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    // Addresses such as 127.0.0.1 name nothing.
    let usable = first.chars().any(|c| c.is_ascii_alphabetic()) && MigrationId::new(first.as_str()).is_ok();
    if usable { first } else { "migration".to_owned() }
}
