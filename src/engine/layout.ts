// Made by scripts/layout.mjs from native/queue: do not edit.

export const LAYOUT = {
  VERSION: 1,
  HASH: 434991688,
  MAX_SECTIONS: 100,
} as const;

export const HEADER = {
  SIZE: 16,
  CORES: 24,
  CONNECTIONS_PER_CORE: 28,
  SECTION_COUNT: 32,
  ENGINE_PID: 36,
  ENGINE_STARTED_MS: 40,
  OWNER_EPOCH: 48,
  OWNER_PID: 52,
  NAME: 56,
  NAME_BYTES: 64,
  DRIVER: 120,
  DRIVER_BYTES: 16,
  DRIVER_REASON: 136,
  DRIVER_REASON_BYTES: 192,
  SECTIONS: 456,
} as const;

export const SECTION = {
  BYTES: 32,
  KIND: 0,
  CORE: 4,
  OFFSET: 8,
  SIZE: 16,
  ELEMENT_SIZE: 24,
  ELEMENT_COUNT: 28,
} as const;

export const SECTION_KIND = {
  COUNTERS: 1,
  EVENT_RING: 2,
  COMMAND_RING: 3,
  COMMAND_DATA: 4,
  CONNECTIONS: 5,
  RECEIVE: 6,
  ASSEMBLY: 7,
  ARENA: 8,
} as const;

export const RING = {
  HEAD: 0,
  TAIL: 64,
  DATA_TAIL: 68,
  CONSUMER_SLEEPING: 128,
  PRODUCER_BLOCKED: 132,
  RECORDS: 192,
  RECORD_BYTES: 32,
} as const;

export const EVENT = {
  OPEN: 1,
  OPEN_PEER: 2,
  MESSAGE: 3,
  CLOSE: 4,
  WRITABLE: 5,
  LAGGING: 6,
  NOTICE: 7,
} as const;

export const COMMAND = {
  SEND: 1,
  SEND_FRAMED: 2,
  CLOSE: 3,
  RELEASE: 4,
  ADMIT: 5,
  NOTIFY_WRITABLE: 6,
  PAUSE: 7,
  RESUME: 8,
  SUBSCRIBE: 9,
  UNSUBSCRIBE: 10,
  PUBLISH: 11,
  HEALTH: 12,
  STOP_LISTENING: 13,
} as const;

export const FLAG = {
  TEXT: 1,
  DATA: 2,
} as const;

export const NOTICE = {
  FILE_LIMIT: 1,
  FILE_LIMIT_OVER: 2,
  RECEIVE_EXHAUSTED: 3,
  LISTEN_ERROR: 4,
  ASSEMBLY_EXHAUSTED: 5,
  TABLE_FULL: 6,
} as const;

export const COUNTERS = {
  connections_open: 0,
  connections_accepted: 1,
  connections_refused: 2,
  connections_closed: 3,
  handshakes: 4,
  handshakes_refused: 5,
  health_requests: 6,
  messages_in: 7,
  messages_out: 8,
  payload_bytes_in: 9,
  payload_bytes_out: 10,
  bytes_received: 11,
  bytes_sent: 12,
  receives: 13,
  sends: 14,
  sends_short: 15,
  system_calls: 16,
  accept_paused: 17,
  receive_exhausted: 18,
  publishes: 19,
  publishes_replayed: 20,
  deliveries: 21,
  subscriptions: 22,
  channels: 23,
  lagging: 24,
  heartbeats_sent: 25,
  heartbeats_missed: 26,
  pings_in: 27,
  pongs_in: 28,
  event_ring_full: 29,
  stalled_connections: 30,
  protocol_errors: 31,
  closed_upgrade_timeout: 32,
  closed_hello_timeout: 33,
  closed_close_timeout: 34,
  closed_send_overflow: 35,
  dropped_assembly_exhausted: 36,
  commands_stale: 37,
  commands_invalid: 38,
  turns: 39,
  send_queue_bytes: 40,
  assembly_bytes: 41,
  receive_blocks_held: 42,
  memory_rows_bytes: 43,
  memory_driver_bytes: 44,
  memory_hub_bytes: 45,
  memory_send_queue_bytes: 46,
} as const;
