//! Publishing tasks for extractors and loaders.

use model::RecordKey;
use model::command::LoadCommand;
use model::envelope::{Envelope, ExtractTask, HEADER_KEY, HEADER_VERSION, Load, VERSION, encode};
use model::run::Run;
use queue::{Message, QueueName, Stage};
use runtime::propagation;

use crate::error::{During, Error};
use crate::service::Coordinator;

impl Coordinator {
    /// Asks loaders to count the objects of these records.
    pub(crate) async fn publish_recounts(&self, run: &Run, keys: Vec<RecordKey>) -> Result<(), Error> {
        let queue = QueueName::new(self.settings.migration.as_str(), Stage::Load);
        let mut messages = Vec::with_capacity(keys.len());
        for key in keys {
            let load = Load { key: key.clone(), command: LoadCommand::Recount };
            let body = encode(&Envelope::new(run.number, &run.plan_hash, load))?;
            let mut message = Message::new(self.context.random.uuid().to_string(), body)
                .with_header(HEADER_VERSION, VERSION.to_string())
                .with_header(HEADER_KEY, key.to_string());
            propagation::inject(&mut message.headers);
            messages.push(message);
        }
        for result in self.publisher.publish(&queue, messages).await {
            result.during("ask for a count")?;
        }
        Ok(())
    }

    /// Publishes tasks, confirmed.
    pub(crate) async fn publish(&self, run: &Run, tasks: Vec<ExtractTask>) -> Result<(), Error> {
        if tasks.is_empty() {
            return Ok(());
        }
        let queue = QueueName::new(self.settings.migration.as_str(), Stage::Extract);
        let mut messages = Vec::with_capacity(tasks.len());
        for task in tasks {
            let body = encode(&Envelope::new(run.number, &run.plan_hash, task))?;
            let mut message = Message::new(self.context.random.uuid().to_string(), body)
                .with_header(HEADER_VERSION, VERSION.to_string());
            propagation::inject(&mut message.headers);
            messages.push(message);
        }
        for result in self.publisher.publish(&queue, messages).await {
            result.during("publish a task")?;
        }
        Ok(())
    }
}
