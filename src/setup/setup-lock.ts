// What keeps instances that start at the same moment from setting up the database twice.

/** Time for waiting on another instance's setup and for one's own, in ms. */
export const SETUP_TIMEOUT_MS = 60_000;

/** First statement of a setup transaction; the lock is held until it ends. The number is this app's own. */
export const SETUP_LOCK = 'select pg_advisory_xact_lock(7214301)';
