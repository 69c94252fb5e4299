//! The ways from one process to the two accounts.

use std::time::Duration;

use futures::FutureExt as _;
use sandbox::server::Server;
use system_tests::wires::answered;
use wire::{Exchange, InProcess};

use crate::weather::Weather;

/// The usual way to an account or back.
const USUAL: Duration = Duration::from_millis(20);

/// The way from a process to an account. Faults of the account itself are the account's own schedule; here are those of the way.
pub fn to(account: &'static str, server: &Server, weather: Weather) -> InProcess {
    let server = server.clone();
    InProcess::new(move |request| {
        let (server, weather) = (server.clone(), weather.clone());
        async move {
            weather.awake().await;
            let label = format!("{} {account}{}", request.method(), request.url().path());
            if weather.strikes(|hazards| hazards.connection_refused) {
                weather.note(format_args!("{label} refused"));
                return Exchange::Refused;
            }
            weather.delay(USUAL, |hazards| hazards.slow_network).await;
            // A task of its own: what was sent arrives, whatever becomes of its sender.
            let exchange = tokio::spawn(async move { answered(&server, request).await }).await;
            weather.delay(USUAL, |hazards| hazards.slow_network).await;
            weather.awake().await;
            let exchange = exchange.unwrap_or(Exchange::Broken);
            match &exchange {
                Exchange::Answered(answer) => {
                    weather.note(format_args!("{label} {}", answer.status().as_u16()));
                }
                Exchange::Broken => weather.note(format_args!("{label} broken")),
                Exchange::Refused => weather.note(format_args!("{label} refused")),
            }
            exchange
        }
        .boxed()
    })
}
