//! Publisher and consumer over RabbitMQ or in the process.
//!
//! Constraints, each kept by both implementations and checked by the one conformance suite in `tests/conformance`:
//!
//! - **Stored and routed, or an error.** [`Publisher::publish`] says `Ok` for a message only when the broker has
//!   stored it *and* put it into the queue that was meant. Each message gets its own answer.
//! - **At least once, never silently zero.** A message leaves its queue only by an acknowledgement. Whoever consumes
//!   must therefore be able to see a message twice; an answer "unconfirmed" means that it may be stored already.
//! - **Waiting never blocks.** A delayed message sits in the queue of one step of the [`Ladder`]; different delays
//!   never share a queue. It comes back to its own queue under its own routing key.
//! - **No negative acknowledgement.** A delivery is acknowledged, or left alone and delivered again by the broker.
//! - **The queue holds work, never truth.** It may be purged or lost at any time; the ledger and the source rebuild it.
//!
//! The layout of queues and exchanges in RabbitMQ is declared in one place, `rabbit::topology`.

mod broker;
mod delivery;
mod error;
mod in_process;
mod ladder;
mod message;
mod rabbit;

pub use broker::{Broker, Consumer, Depth, Publisher};
pub use delivery::{Delivery, ack_all};
pub use error::{Error, Result};
pub use in_process::InProcess;
pub use ladder::Ladder;
pub use message::{DEAD_REASON, DEAD_STAGE, DeadLetter, Message, QueueName, RETRY_COUNT, Stage, UNTIL};
pub use rabbit::{Address, LOG_DIRECTIVES, RabbitConfig, RabbitMq};
