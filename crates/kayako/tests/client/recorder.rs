//! A gate that lets everything through and writes down what it was told.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use kayako::{CallOutcome, Error, Gate, LoginResult, RateClass};

#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) before: Mutex<Vec<RateClass>>,
    pub(crate) after: Mutex<Vec<(RateClass, CallOutcome)>>,
    pub(crate) logins: Mutex<Vec<LoginResult>>,
    pub(crate) told: Notify,
}

impl Recorder {
    pub(crate) fn outcomes(&self, class: RateClass) -> Vec<CallOutcome> {
        self.after
            .lock()
            .unwrap()
            .iter()
            .filter(|(of, _)| *of == class)
            .map(|(_, outcome)| *outcome)
            .collect()
    }

    pub(crate) fn is_balanced(&self) -> bool {
        self.before.lock().unwrap().len() == self.after.lock().unwrap().len()
    }
}

#[async_trait]
impl Gate for Recorder {
    async fn before(&self, class: RateClass) -> Result<(), Error> {
        self.before.lock().unwrap().push(class);
        Ok(())
    }

    fn after(&self, class: RateClass, outcome: CallOutcome, _elapsed: Duration) {
        self.after.lock().unwrap().push((class, outcome));
        self.told.notify_one();
    }

    async fn login_permit(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn login_result(&self, result: LoginResult) {
        self.logins.lock().unwrap().push(result);
        self.told.notify_one();
    }
}
