//! kayako-migrate: every operator command; all services in one process.
