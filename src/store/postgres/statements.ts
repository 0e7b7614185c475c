/** The statements of the history store. `table` is checked by the configuration: lower-case letters, digits and underscores. */

export interface Statements {
  readonly create: string;
  readonly write: string;
  readonly read: string;
  readonly readBack: string;
  readonly bounds: string;
  readonly seqAtTs: string;
  readonly seqAfterId: string;
  readonly channels: string;
  readonly remove: string;
}

export function statementsFor(table: string): Statements {
  return {
    // Two nodes that make the table at once would meet in the catalogue: one waits for the other.
    create: `
      SELECT pg_advisory_xact_lock(hashtext('${table}'));
      CREATE TABLE IF NOT EXISTS ${table} (
        channel text COLLATE "C" NOT NULL,
        epoch text COLLATE "C" NOT NULL,
        seq bigint NOT NULL,
        msg_id bigint NOT NULL,
        server_ts bigint NOT NULL,
        frame bytea NOT NULL,
        PRIMARY KEY (channel, epoch, seq)
      )`,
    // The frames of all messages are one parameter, cut here: an array of bytea would be sent as hexadecimal text.
    write: `
      INSERT INTO ${table} (channel, epoch, seq, msg_id, server_ts, frame)
      SELECT channel, epoch, seq, msg_id, server_ts, substring($6::bytea FROM at + 1 FOR bytes)
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $7::int[], $8::int[])
        AS one (channel, epoch, seq, msg_id, server_ts, at, bytes)
      ON CONFLICT (channel, epoch, seq) DO NOTHING`,
    read: page(table, '>=', 'ASC'),
    readBack: page(table, '<=', 'DESC'),
    bounds: `SELECT min(seq), max(seq) FROM ${table} WHERE channel = $1 AND epoch = $2`,
    seqAtTs: search(table, 'server_ts'),
    seqAfterId: search(table, 'msg_id'),
    channels: loose(table),
    remove: `
      DELETE FROM ${table} WHERE channel = $1 AND epoch = $2 AND seq = ANY (ARRAY(
        SELECT seq FROM ${table} WHERE channel = $1 AND epoch = $2 AND seq < $3 ORDER BY seq LIMIT $4))`,
  };
}

/** $1 channel, $2 epoch, $3 seq, $4 messages, $5 bytes: numbers, lengths and frames of a page, at least one message of it. */
function page(table: string, comparison: string, order: string): string {
  return `
    SELECT array_agg(seq ORDER BY seq)::text[], array_agg(bytes ORDER BY seq), string_agg(frame, ''::bytea ORDER BY seq)
    FROM (
      SELECT seq, frame, octet_length(frame) AS bytes, sum(octet_length(frame)) OVER (ORDER BY seq ${order}) AS sum,
        row_number() OVER (ORDER BY seq ${order}) AS place
      FROM (
        SELECT seq, frame FROM ${table} WHERE channel = $1 AND epoch = $2 AND seq ${comparison} $3 ORDER BY seq ${order} LIMIT $4
      ) AS candidates
    ) AS summed
    WHERE sum <= $5 OR place = 1`;
}

/**
 * $1 channel, $2 epoch, $3 value: first seq whose \`column\` is not below the value. Both columns never fall along a channel, so a binary
 * search over the primary key finds it, and no index of their own has to be kept.
 */
function search(table: string, column: string): string {
  const own = `${table} WHERE channel = $1 AND epoch = $2`;
  return `
    WITH RECURSIVE bounds AS (SELECT min(seq) AS low, max(seq) + 1 AS high FROM ${own}),
    step (low, high) AS (
      SELECT low, high FROM bounds WHERE low IS NOT NULL
      UNION ALL
      SELECT CASE WHEN probe.value < $3 THEN probe.seq + 1 ELSE step.low END,
        CASE WHEN probe.value < $3 THEN step.high ELSE (step.low + step.high) / 2 END
      FROM step, LATERAL (
        SELECT seq, ${column} AS value FROM ${own} AND seq >= (step.low + step.high) / 2 ORDER BY seq LIMIT 1
      ) AS probe
      WHERE step.low < step.high
    )
    SELECT (SELECT seq FROM ${own} AND seq >= step.low ORDER BY seq LIMIT 1)::text FROM step WHERE low >= high LIMIT 1`;
}

/** $1 channel and $2 epoch behind which it begins, $3 how many: each (channel, epoch) with its bounds, by jumps over the primary key. */
function loose(table: string): string {
  const next = (channel: string, epoch: string): string =>
    `SELECT channel, epoch FROM ${table} WHERE (channel, epoch) > (${channel}, ${epoch}) ORDER BY channel, epoch LIMIT 1`;
  return `
    WITH RECURSIVE place (channel, epoch) AS (
      (${next('$1', '$2')})
      UNION ALL
      SELECT following.channel, following.epoch FROM place, LATERAL (${next('place.channel', 'place.epoch')}) AS following
    )
    SELECT channel, epoch,
      (SELECT min(seq) FROM ${table} AS m WHERE m.channel = place.channel AND m.epoch = place.epoch)::text,
      (SELECT max(seq) FROM ${table} AS m WHERE m.channel = place.channel AND m.epoch = place.epoch)::text
    FROM place LIMIT $3`;
}
