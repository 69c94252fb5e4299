//! Publisher and consumer over RabbitMQ or in the process.
