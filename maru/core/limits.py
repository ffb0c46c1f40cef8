"""Every bound of the platform, in one place, with its unit and where it comes from."""

from __future__ import annotations

# Requests. 3 MiB is kube-apiserver's --max-request-body-bytes default (3145728).
REQUEST_BODY_BYTES_MAX = 3 * 1024 * 1024
REQUEST_HEADER_BYTES_MAX = 64 * 1024
REQUEST_DEADLINE_S = 60.0  # kube-apiserver --request-timeout
REQUESTS_IN_FLIGHT_MAX = 4000
IDLE_CONNECTION_S = 90.0
SHUTDOWN_GRACE_S = 3.0

# The store.
DOCUMENT_BYTES_MAX = 1536 * 1024  # etcd's --max-request-bytes default
HISTORY_EVENTS_MAX = 50_000  # revisions kept in memory for watches and continued lists
DECODED_BYTES_MAX = 4 * 1024 * 1024  # bodies of the documents that stay decoded, which takes seven times as much
HISTORY_BYTES_MAX = 48 * 1024 * 1024  # their bodies together, so that large documents cannot fill memory
JOURNAL_QUEUE_MAX = 20_000  # writes that may wait for the disk
JOURNAL_TIDY_S = 10.0  # between checkpoints that truncate the write-ahead log and give pages back
JOURNAL_BATCH_MAX = 512  # writes in one durable commit
WATCH_QUEUE_MAX = 4096  # events a slow watcher may lag before it is closed with 410
LIST_PAGE_MAX = 100_000  # documents one list answer may hold
JOURNAL_COMPACT_ROWS_MAX = 2000  # history rows removed in one step

# Loops.
RECONCILE_QUEUE_MAX = 100_000  # keys waiting in one controller
RECONCILE_BACKOFF_BASE_S = 0.05
RECONCILE_BACKOFF_MAX_S = 60.0
RESYNC_S = 600.0

# Streams (logs, samples, spans): a full stream drops the oldest and counts it.
STREAM_ITEMS_MAX = 10_000

# Events (core/v1), as client-go's recorder and correlator bound them.
EVENT_QUEUE_MAX = 1000  # events that wait to be posted; the newest are dropped
EVENT_CACHE_MAX = 4096  # objects and events remembered for counting and spam
EVENT_TRIES_MAX = 12
EVENT_TRY_AGAIN_S = 10.0

# Metrics: label sets of one metric; further ones are counted together as "other".
METER_SERIES_MAX = 2000

# Clients.
CLIENT_DEADLINE_S = 30.0
WATCH_BOOKMARK_S = 60.0
WATCH_DEADLINE_S = 1800.0  # the least kube-apiserver --min-request-timeout gives a watch
