//! A faithful Kayako and Zendesk over HTTP on loopback, with fault injection.
