//! Zendesk Support.
